package todoke_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func newHub(b testing.TB, o todoke.Options) *todoke.Hub {
	b.Helper()
	hub, err := todoke.New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { hub.Close() })
	return hub
}

var payload = make([]byte, 128)

// Budget: 1 µs and 1 allocation.
func BenchmarkPublish(b *testing.B) {
	ctx := context.Background()
	for _, channels := range []int{1, 1000, 1_000_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			hub := newHub(b, todoke.Options{})
			names := make([]string, channels)
			for i := range names {
				names[i] = fmt.Sprintf("bench:%d", i)
				if _, err := hub.Publish(ctx, todoke.Message{Channel: names[i], Data: payload}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := hub.Publish(ctx, todoke.Message{Channel: names[i%channels], Data: payload}); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkPublishIdempotent(b *testing.B) {
	hub := newHub(b, todoke.Options{})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		key := fmt.Sprint(i)
		i++
		if _, err := hub.Publish(context.Background(), todoke.Message{Channel: "bench", Data: payload, IdempotencyKey: key}); err != nil {
			b.Fatal(err)
		}
	}
}

// Idle subscribers are woken by the hub's waker, not by the publisher.
func BenchmarkPublishWithSubscribers(b *testing.B) {
	for _, readers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			hub := newHub(b, todoke.Options{})
			done := make(chan int, readers)
			for range readers {
				sub, err := hub.Subscribe(ctx, []string{"bench"}, todoke.Now())
				if err != nil {
					b.Fatal(err)
				}
				go func() {
					n := 0
					for {
						frames, err := sub.NextFrames(ctx, rawFormat{})
						if err != nil {
							done <- n
							return
						}
						n += frames.Messages
					}
				}()
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hub.Publish(ctx, todoke.Message{Channel: "bench", Data: payload}); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			cancel()
			delivered := 0
			for range readers {
				delivered += <-done
			}
			b.ReportMetric(float64(delivered)/float64(b.N), "deliveries/op")
		})
	}
}

// rawFormat is the data and a newline.
type rawFormat struct{}

func (rawFormat) AppendMessage(dst []byte, m *todoke.Message) []byte {
	return append(append(dst, m.Data...), '\n')
}

func (rawFormat) AppendGap(dst []byte, g todoke.Gap) []byte {
	return fmt.Appendf(dst, "gap %s %d-%d %v\n", g.Channel, g.From.Offset, g.To.Offset, g.Possible)
}

// One operation resumes at the beginning of 10,000 messages and reads to the head.
func BenchmarkResume(b *testing.B) {
	const messages = 10_000
	for _, followed := range []bool{false, true} {
		b.Run(fmt.Sprintf("followed=%v", followed), func(b *testing.B) {
			ctx := context.Background()
			hub := newHub(b, todoke.Options{})
			if followed { // somebody reads live: the frames are there already
				sub, err := hub.Subscribe(ctx, []string{"bench"}, todoke.Now())
				if err != nil {
					b.Fatal(err)
				}
				defer sub.Close()
			}
			start := hub.Head()
			for range messages {
				if _, err := hub.Publish(ctx, todoke.Message{Channel: "bench", Data: payload}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				sub, err := hub.Subscribe(ctx, []string{"bench"}, todoke.After(start))
				if err != nil {
					b.Fatal(err)
				}
				for n := 0; n < messages; {
					frames, err := sub.ReadFrames(ctx, rawFormat{})
					if err != nil || frames.Messages == 0 {
						b.Fatal(n, err)
					}
					n += frames.Messages
				}
				sub.Close()
			}
		})
	}
}

// A million channels are used once; when their messages have expired, nothing is left of them.
func BenchmarkExpiredChannels(b *testing.B) {
	ctx := context.Background()
	const channels = 1_000_000
	for b.Loop() {
		hub, err := todoke.New(todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Age: 4 * time.Second}}})
		if err != nil {
			b.Fatal(err)
		}
		before := heapInUse()
		for i := range channels {
			if _, err := hub.Publish(ctx, todoke.Message{Channel: fmt.Sprintf("once:%d", i), Data: payload}); err != nil {
				b.Fatal(err)
			}
		}
		full := heapInUse()
		var after uint64
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			if after = heapInUse(); after < before+(full-before)/100 {
				break
			}
		}
		b.ReportMetric(float64(full-before)/channels, "B/channel-full")
		b.ReportMetric(max(0, float64(after)-float64(before))/channels, "B/channel-expired")
		hub.Close()
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
