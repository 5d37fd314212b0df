package todoke_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
)

// An outage is an engine whose store can be away: then every call fails, and Tail ends. Others may still publish.
type outage struct {
	*todoke.Memory

	mu   sync.Mutex
	away error
	cut  context.CancelFunc // of the tail
	deaf bool               // Tail gives nothing on
	slow bool               // Head does not answer
}

func newOutage() *outage { return &outage{Memory: todoke.NewMemory(todoke.MemoryOptions{})} }

func (o *outage) Caps() todoke.Caps { return todoke.Caps{} }

func (o *outage) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *outage) lose() {
	o.set(func() {
		o.away = &todoke.Error{Code: todoke.CodeUnavailable, Hint: "gone", RetryAfter: time.Second}
		o.cut()
	})
}

func (o *outage) repair() { o.set(func() { o.away = nil }) }

func (o *outage) trouble() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away
}

func (o *outage) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	if err := o.trouble(); err != nil {
		return err
	}
	return o.Memory.Publish(ctx, batch, results)
}

func (o *outage) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if err := o.trouble(); err != nil {
		return todoke.Page{}, err
	}
	return o.Memory.Read(ctx, r)
}

func (o *outage) Head(ctx context.Context) (todoke.Position, error) {
	o.mu.Lock()
	err, slow := o.away, o.slow
	o.mu.Unlock()
	if slow {
		<-ctx.Done()
		err = ctx.Err()
	}
	if err != nil {
		return todoke.Position{}, err
	}
	return o.Memory.Head(ctx)
}

func (o *outage) Tail(ctx context.Context, from todoke.Position, sink todoke.Sink) error {
	if err := o.trouble(); err != nil {
		return err
	}
	inner, cut := context.WithCancel(ctx)
	defer cut()
	o.set(func() { o.cut = cut })
	if err := o.Memory.Tail(inner, from, deafSink{sink, o}); ctx.Err() != nil {
		return err
	}
	return o.trouble()
}

// A deafSink drops everything while its outage is deaf.
type deafSink struct {
	todoke.Sink
	o *outage
}

func (d deafSink) deaf() bool {
	d.o.mu.Lock()
	defer d.o.mu.Unlock()
	return d.o.deaf
}

func (d deafSink) Apply(batch []*todoke.Message) {
	if !d.deaf() {
		d.Sink.Apply(batch)
	}
}

func (d deafSink) Advance(head todoke.Offset) {
	if !d.deaf() {
		d.Sink.Advance(head)
	}
}

// others publishes as another node does.
func (o *outage) others(t *testing.T, text string) {
	t.Helper()
	m := &todoke.Message{Channel: "a", Data: []byte(text), Type: todoke.TypeText}
	if err := o.Memory.Publish(t.Context(), []*todoke.Message{m}, make([]todoke.Result, 1)); err != nil {
		t.Fatal(err)
	}
}

// A hub whose log is lost says so and refuses publishes; readers wait, those in the middle of catching up too, and have
// everything once after the repair.
func TestHealthOverAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newOutage()
		hub := newHub(t, todoke.Options{Engine: engine})
		start := publish(t, hub, "a", "0")
		for i := 1; i < 2000; i++ {
			publish(t, hub, "a", fmt.Sprint(i))
		}
		live := collect(t, hub, todoke.Now())
		time.Sleep(time.Minute)
		if err := hub.Health(); err != nil {
			t.Fatal(err)
		}
		behind := subscribe(t, hub, todoke.After(start), "a") // has read nothing yet
		engine.lose()
		time.Sleep(time.Second)
		err := hub.Health()
		if !errors.Is(err, todoke.CodeUnavailable) || !strings.Contains(err.Error(), "the log cannot be reached since") || todoke.AsError(err).RetryAfter == 0 {
			t.Fatalf("health: %v", err)
		}
		if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "a"}); !errors.Is(err, todoke.CodeUnavailable) || todoke.AsError(err).RetryAfter != time.Second {
			t.Fatalf("publish: %v", err)
		}
		if _, err := hub.PublishBatch(t.Context(), []todoke.Message{{Channel: "a"}}); !errors.Is(err, todoke.CodeUnavailable) {
			t.Fatalf("batch: %v", err)
		}
		caught := gather(t, behind)
		time.Sleep(time.Minute)
		engine.others(t, "2000")
		engine.repair()
		time.Sleep(time.Second)
		if err := hub.Health(); err != nil {
			t.Fatalf("after the repair: %v", err)
		}
		publish(t, hub, "a", "2001")
		synctest.Wait()
		if got := live(); strings.Join(got, " ") != "2000 2001" {
			t.Errorf("the live reader got %v", got)
		}
		got := caught()
		for i, text := range got {
			if text != fmt.Sprint(i+1) {
				t.Fatalf("the reader that was behind got %s at %d", text, i)
			}
		}
		if len(got) != 2001 {
			t.Errorf("the reader that was behind got %d messages", len(got))
		}
	})
}

// A tail that stands still, and a log that does not answer, are noticed too.
func TestHealthOfWhatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newOutage()
		hub := newHub(t, todoke.Options{Engine: engine})
		publish(t, hub, "a", "1")
		engine.set(func() { engine.deaf = true })
		engine.others(t, "2")
		time.Sleep(5 * time.Second)
		if err := hub.Health(); !errors.Is(err, todoke.CodeUnavailable) || !strings.Contains(err.Error(), "does not follow the log") {
			t.Errorf("a deaf tail: %v", err)
		}
		engine.set(func() { engine.deaf = false })
		engine.others(t, "3")
		time.Sleep(5 * time.Second)
		if err := hub.Health(); err != nil {
			t.Errorf("a tail that goes on: %v", err)
		}
		engine.set(func() { engine.slow = true })
		time.Sleep(6 * time.Second)
		if err := hub.Health(); err == nil || !strings.Contains(err.Error(), "no answer for 3s") {
			t.Errorf("a log that does not answer: %v", err)
		}
		engine.set(func() { engine.slow = false })
		time.Sleep(4 * time.Second)
		if err := hub.Health(); err != nil {
			t.Errorf("a log that answers again: %v", err)
		}
	})
}

// A reader that waits for the log is sent elsewhere when the hub drains, and ends with the hub.
func TestWaitingForTheLogEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newOutage()
		hub := newHub(t, todoke.Options{Engine: engine})
		start := publish(t, hub, "a", "0", "1")
		sub := subscribe(t, hub, todoke.After(start), "a")
		engine.lose()
		ended := make(chan error, 1)
		go func() {
			_, err := sub.NextFrames(t.Context(), textFormat{})
			ended <- err
		}()
		time.Sleep(10 * time.Second)
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		default:
		}
		hub.Drain(0)
		if err := <-ended; !errors.Is(err, todoke.CodeRestarting) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// textFormat writes the data of messages, a line each.
type textFormat struct{}

func (textFormat) AppendMessage(dst []byte, m *todoke.Message) []byte {
	return append(append(dst, m.Data...), '\n')
}
func (textFormat) AppendGap(dst []byte, _ todoke.Gap) []byte { return append(dst, "gap\n"...) }

// collect subscribes to a, and gathers.
func collect(t *testing.T, hub *todoke.Hub, since todoke.Since) (got func() []string) {
	t.Helper()
	return gather(t, subscribe(t, hub, since, "a"))
}

// gather reads as a stream does until the test ends; got is what came so far.
func gather(t *testing.T, sub *todoke.Subscription) (got func() []string) {
	t.Helper()
	var mu sync.Mutex
	var text strings.Builder
	go func() {
		for {
			frames, err := sub.NextFrames(t.Context(), textFormat{})
			if err != nil {
				return
			}
			mu.Lock()
			text.Write(frames.Bytes)
			mu.Unlock()
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Fields(text.String())
	}
}
