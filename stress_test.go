package todoke_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// Publishers fill channels with counters while readers of every kind follow, are cut, and resume by a message's position, by the
// subscription's, by pages. Each sees every message of its channels once, in order.
func TestResumeUnderLoad(t *testing.T) {
	const publishers, each = 4, 1500
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: publishers * each}}})
	start := hub.Head()
	interests := [][]string{{"a"}, {"b:1"}, {"a", "b:1"}, {"b:*"}, {"**"}, {"a", "b:*", "c:**", "b:2"}, {"c:x:y", "a"}}
	channels := []string{"a", "b:1", "b:2", "b:3", "c:x:y", "c:z"}

	var wg sync.WaitGroup
	var mu sync.Mutex
	counters := make(map[string]int)
	for p := range publishers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(p), 1))
			for range each {
				channel := channels[r.IntN(len(channels))]
				mu.Lock() // so that the counters are in the order of the log
				counters[channel]++
				_, err := hub.Publish(context.Background(), todoke.Message{Channel: channel, Data: strconv.AppendInt(nil, int64(counters[channel]), 10)})
				mu.Unlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, interest := range interests {
		for kind := range 4 {
			wg.Go(func() {
				f := follower{t: t, hub: hub, r: rand.New(rand.NewPCG(uint64(i), uint64(kind))), interest: interest, at: start, seen: map[string]int{}}
				for f.more(publishers * each) {
					switch kind {
					case 0:
						f.live(false)
					case 1:
						f.live(true)
					case 2:
						f.page()
					case 3:
						[]func(){func() { f.live(false) }, func() { f.live(true) }, f.page}[f.r.IntN(3)]()
					}
				}
			})
		}
	}
	wg.Wait()
}

type follower struct {
	t        *testing.T
	hub      *todoke.Hub
	r        *rand.Rand
	interest []string
	at       todoke.Position
	seen     map[string]int
	failed   bool
}

// more reports whether there is anything left to come.
func (f *follower) more(total int) bool {
	return !f.failed && f.at.Offset < todoke.Offset(total)
}

func (f *follower) fail(format string, args ...any) {
	f.t.Errorf("reader of %v: %s", f.interest, fmt.Sprintf(format, args...))
	f.failed = true
}

func (f *follower) take(position todoke.Position, channel, data string) {
	f.seen[channel]++
	if data != strconv.Itoa(f.seen[channel]) {
		f.fail("%s of %s came as number %d", data, channel, f.seen[channel])
	}
	if position.Offset <= f.at.Offset {
		f.fail("%v comes after %v", position, f.at)
	}
	f.at = position
}

// live follows for a while and is then cut: after a message in the middle of a batch, or between two.
func (f *follower) live(frames bool) {
	sub, err := f.hub.Subscribe(f.t.Context(), f.interest, todoke.After(f.at))
	if err != nil {
		f.fail("%v", err)
		return
	}
	defer sub.Close()
	for range f.r.IntN(20) {
		idle := false
		if frames {
			idle = f.readFrames(sub)
		} else {
			idle = f.readBatch(sub)
		}
		if f.failed || f.r.IntN(10) == 0 && !idle {
			return
		}
		f.at = sub.Position()
		if idle { // the position of a reader of several channels follows the head a moment later, which wakes nobody
			select {
			case <-sub.Wake():
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func (f *follower) readBatch(sub *todoke.Subscription) (idle bool) {
	b, err := sub.Read(f.t.Context())
	if err != nil || len(b.Gaps) > 0 {
		f.fail("%v %v", b.Gaps, err)
		return false
	}
	for _, m := range b.Messages {
		f.take(m.Position, m.Channel, m.Text())
	}
	return len(b.Messages) == 0
}

func (f *follower) readFrames(sub *todoke.Subscription) (idle bool) {
	frames, err := sub.ReadFrames(f.t.Context(), traceFormat{})
	if err != nil {
		f.fail("%v", err)
		return false
	}
	n := 0
	for frame := range frames.All() {
		n++
		words := strings.Fields(string(frame))
		position, err := todoke.ParsePosition(words[0])
		if err != nil || len(words) != 3 {
			f.fail("frame %q: %v", frame, err)
			return false
		}
		f.take(position, words[1], words[2])
	}
	if n != frames.Messages || n != bytes.Count(frames.Bytes, []byte("\n")) {
		f.fail("%d frames, %d messages, %q", n, frames.Messages, frames.Bytes)
	}
	return n == 0
}

func (f *follower) page() {
	page, err := f.hub.History(f.t.Context(), todoke.Query{Channels: f.interest, Since: todoke.After(f.at), Limit: 1 + f.r.IntN(50)})
	if err != nil || len(page.Gaps) > 0 {
		f.fail("%v %v", page.Gaps, err)
		return
	}
	for _, m := range page.Messages {
		f.take(m.Position, m.Channel, m.Text())
	}
	if page.Position.Offset < f.at.Offset {
		f.fail("the page ends at %v, before %v", page.Position, f.at)
	}
	f.at = page.Position
}

type traceFormat struct{}

func (traceFormat) AppendMessage(dst []byte, m *todoke.Message) []byte {
	return fmt.Appendf(dst, "%s %s %s\n", m.Position, m.Channel, m.Data)
}

func (traceFormat) AppendGap(dst []byte, g todoke.Gap) []byte { return fmt.Appendf(dst, "gap\n") }

// No wake-up is lost, however a publish falls between the waker's steps. Another channel has a reader, so that the waker is busy.
func TestEveryPublishWakes(t *testing.T) {
	for _, names := range [][]string{{"b"}, {"b", "c"}, {"b", "x:*"}} {
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			t.Parallel()
			hub := newHub(t, todoke.Options{})
			sub := subscribe(t, hub, todoke.Now(), names...)
			subscribe(t, hub, todoke.Now(), "a")
			for i := range 20_000 {
				publish(t, hub, "a", "")
				publish(t, hub, "b", strconv.Itoa(i))
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				b, err := sub.Next(ctx)
				cancel()
				if err != nil || len(b.Messages) != 1 {
					t.Fatalf("round %d: %v, %v", i, b.Messages, err)
				}
			}
		})
	}
}

// A reader that stops reading holds nothing and disturbs nobody: the publisher goes on, and others get everything.
func TestSlowReader(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 100}}})
	slow := subscribe(t, hub, todoke.Now(), "a")
	quick := subscribe(t, hub, todoke.Now(), "a")
	for i := range 5000 {
		publish(t, hub, "a", strconv.Itoa(i))
		if got := pending(t, quick); got != fmt.Sprintf("a=%d", i) {
			t.Fatal(got)
		}
	}
	words := strings.Split(pending(t, slow), ", ")
	if words[0] != "gap a 1-4900" || len(words) != 101 || words[100] != "a=4999" {
		t.Errorf("%d words, from %s to %s", len(words), words[0], words[len(words)-1])
	}
}

// Frames given away stay as they are, however the tail goes on.
func TestFramesAreNotTouchedAgain(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	sub := subscribe(t, hub, todoke.Now(), "a")
	type held struct {
		frames todoke.Frames
		copy   []byte
	}
	var all []held
	for i := range 300 {
		publish(t, hub, "a", strings.Repeat(strconv.Itoa(i%10), 20_000))
		frames, err := sub.ReadFrames(t.Context(), traceFormat{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, held{frames, bytes.Clone(frames.Bytes)})
	}
	for _, h := range all {
		if !bytes.Equal(h.frames.Bytes, h.copy) {
			t.Fatal("bytes that a reader holds were changed")
		}
	}
}

// Subscriptions come, change and go from several goroutines while messages flow; nothing is left behind.
func TestSubscriptionsComeAndGo(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var publishing, readers sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			publish(t, hub, fmt.Sprintf("c:%d", i%50), strconv.Itoa(i))
		}
	})
	for n := range 8 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 9))
			for range 100 {
				sub, err := hub.Subscribe(t.Context(), []string{fmt.Sprintf("c:%d", r.IntN(50)), "c:*", "d:**"}, todoke.Last(10))
				if err != nil {
					t.Error(err)
					return
				}
				for range r.IntN(5) {
					if _, err := sub.Next(t.Context()); err != nil {
						t.Error(err)
					}
				}
				switch r.IntN(3) {
				case 0:
					sub.Remove("c:*")
				case 1: // Close ends a Next in another goroutine
					done := make(chan error)
					go func() {
						for {
							if _, err := sub.Next(t.Context()); err != nil {
								done <- err
								return
							}
						}
					}()
					sub.Close()
					if err := <-done; !errors.Is(err, todoke.CodeClosed) {
						t.Error(err)
					}
				}
				sub.Close()
			}
		})
	}
	readers.Wait()
	cancel()
	publishing.Wait()
}
