package todoke_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/todoke-dev/todoke"
)

// followed makes readers of one channel that a follower of the benchmark's own goroutine has.
func followed(tb testing.TB, hub *todoke.Hub, f *todoke.Follower, readers int, ready func(sub *todoke.Subscription)) []*todoke.Subscription {
	subs := make([]*todoke.Subscription, readers)
	for i := range subs {
		sub, err := hub.Subscribe(context.Background(), []string{"bench"}, todoke.Now())
		if err != nil {
			tb.Fatal(err)
		}
		sub.Follow(f, readerFunc(func() { ready(sub) }))
		subs[i] = sub
	}
	return subs
}

// readAll is Ready without a socket; it returns how many messages came.
func readAll(tb testing.TB, sub *todoke.Subscription) (messages int) {
	for {
		frames, ok, err := sub.TryReadFrames(rawFormat{})
		if errors.Is(err, todoke.CodeClosed) {
			return messages // the benchmark is over
		}
		if !ok || err != nil {
			tb.Fatal(ok, err)
		}
		if messages += frames.Messages; !frames.More {
			return messages
		}
	}
}

// One operation is one visit of a reader that keeps up and gets one message; the publish is not counted. Budget: no allocation.
func BenchmarkFollowVisit(b *testing.B) {
	for _, readers := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			hub := newHub(b, todoke.Options{})
			f := hub.NewFollower(func(int) {})
			got := 0
			followed(b, hub, f, readers, func(sub *todoke.Subscription) { got += readAll(b, sub) })
			b.ReportAllocs()
			b.ResetTimer()
			for visits := 0; visits < b.N; {
				b.StopTimer()
				if _, err := hub.Publish(context.Background(), todoke.Message{Channel: "bench", Data: payload}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				for more := true; more; {
					n := 0
					n, more = f.Turn(64)
					visits += n
				}
			}
			if got < b.N {
				b.Fatalf("%d messages came at %d visits", got, b.N)
			}
		})
	}
}

// One operation is a publish with its deliveries, whose turns the publisher takes.
func BenchmarkPublishFollowed(b *testing.B) {
	for _, readers := range []int{1, 8} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			hub := newHub(b, todoke.Options{})
			var f *todoke.Follower
			f = hub.NewFollower(func(visits int) { f.Turn(visits) })
			got := 0
			followed(b, hub, f, readers, func(sub *todoke.Subscription) { got += readAll(b, sub) })
			b.ReportAllocs()
			for b.Loop() {
				if _, err := hub.Publish(context.Background(), todoke.Message{Channel: "bench", Data: payload}); err != nil {
					b.Fatal(err)
				}
			}
			if got != b.N*readers {
				b.Fatalf("%d deliveries of %d", got, b.N*readers)
			}
		})
	}
}

// What an idle followed subscription of one channel, and its place in the crowd, cost in memory.
func BenchmarkFollowIdle(b *testing.B) {
	const readers = 20_000
	for b.Loop() {
		hub := newHub(b, todoke.Options{})
		f := hub.NewFollower(func(int) {})
		before := heapInUse()
		subs := make([]*todoke.Subscription, readers)
		shared := readerFunc(func() {})
		for i := range subs {
			sub, err := hub.Subscribe(context.Background(), []string{"bench"}, todoke.Now())
			if err != nil {
				b.Fatal(err)
			}
			sub.Follow(f, shared)
			subs[i] = sub
		}
		b.ReportMetric(float64(heapInUse()-before)/readers, "B/reader")
		for _, sub := range subs {
			sub.Close()
		}
	}
}

// Budget: a visit of a reader that keeps up allocates nothing, whether it gets a message or not.
func TestFollowVisitAllocatesNothing(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	f := hub.NewFollower(func(int) {})
	subs := followed(t, hub, f, 202, func(*todoke.Subscription) {})
	publish(t, hub, "bench", "1")
	for _, messages := range []int{1, 0} {
		next, got := 0, 0
		if n := testing.AllocsPerRun(len(subs)-1, func() {
			got += readAll(t, subs[next])
			next++
		}); n > 0 {
			t.Errorf("%v allocations at a visit that gives %d messages", n, messages)
		}
		if got != messages*len(subs) {
			t.Errorf("%d messages came", got)
		}
	}
}
