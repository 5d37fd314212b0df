package todoke_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

// A fickle engine is a memory engine that can lose its log, or a part of its tail.
type fickle struct {
	mu        sync.Mutex
	retention func(string) *todoke.Retention
	*todoke.Memory
	sink   todoke.Sink
	ctx    context.Context
	deaf   bool // what is published now is not tailed
	missed [2]todoke.Offset
}

func (f *fickle) Open(ctx context.Context, retention func(string) *todoke.Retention) error {
	f.retention = retention
	return f.Memory.Open(ctx, retention)
}

func (f *fickle) engine() *todoke.Memory {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Memory
}

func (f *fickle) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	return f.engine().Publish(ctx, batch, results)
}

func (f *fickle) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	return f.engine().Read(ctx, r)
}

func (f *fickle) Channels(ctx context.Context, pattern string, after todoke.Offset) ([]string, todoke.Offset, error) {
	return f.engine().Channels(ctx, pattern, after)
}

func (f *fickle) Head(ctx context.Context) (todoke.Position, error) { return f.engine().Head(ctx) }

func (f *fickle) Tail(ctx context.Context, from todoke.Position, sink todoke.Sink) error {
	f.mu.Lock()
	f.sink, f.ctx = sink, ctx
	f.mu.Unlock()
	for ctx.Err() == nil {
		// A log that was lost is followed by the next one: Tail itself goes on.
		if err := f.engine().Tail(ctx, from, &fickleSink{f, sink}); err != nil && !errors.Is(err, todoke.CodeClosed) {
			return err
		}
		from = todoke.Position{}
	}
	return ctx.Err()
}

// lose ends the log and begins another, with some messages before anyone follows it.
func (f *fickle) lose(t *testing.T, messages ...*todoke.Message) {
	next := todoke.NewMemory(todoke.MemoryOptions{})
	if err := next.Open(t.Context(), f.retention); err != nil {
		t.Fatal(err)
	}
	if err := next.Publish(t.Context(), messages, make([]todoke.Result, len(messages))); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	old := f.Memory
	f.Memory = next
	f.mu.Unlock()
	old.Close()
}

type fickleSink struct {
	f *fickle
	todoke.Sink
}

func (s *fickleSink) Apply(batch []*todoke.Message) {
	if !s.f.deaf {
		s.Sink.Apply(batch)
		return
	}
	if s.f.missed[0] == 0 {
		s.f.missed[0] = batch[0].Position.Offset
	}
	s.f.missed[1] = batch[len(batch)-1].Position.Offset
}

func (s *fickleSink) Advance(head todoke.Offset) {
	if s.f.deaf {
		return
	}
	if s.f.missed[0] != 0 {
		s.Sink.Hole(s.f.missed[0], s.f.missed[1])
		s.f.missed = [2]todoke.Offset{}
	}
	s.Sink.Advance(head)
}

func readWords(t *testing.T, sub *todoke.Subscription, n int) string {
	t.Helper()
	var words []string
	for len(words) < n {
		b, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, describe(b.Gaps, b.Messages)...)
	}
	return strings.Join(words, ", ")
}

// When the log is lost, every reader is told by a gap that begins at its old position, and goes on in the new history.
func TestEpochChange(t *testing.T) {
	engine := &fickle{Memory: todoke.NewMemory(todoke.MemoryOptions{})}
	hub := newHub(t, todoke.Options{Engine: engine})
	one := subscribe(t, hub, todoke.Now(), "a")
	many := subscribe(t, hub, todoke.Now(), "a", "p:*")
	publish(t, hub, "a", "1")
	before := hub.Head()
	expect(t, readWords(t, one, 1), "a=1")
	expect(t, readWords(t, many, 1), "a=1")

	engine.lose(t, &todoke.Message{Channel: "x"}, &todoke.Message{Channel: "a", Data: []byte("2")}, &todoke.Message{Channel: "p:1", Data: []byte("3")})
	b, err := one.Next(t.Context())
	if err != nil || len(b.Gaps) != 1 || b.Gaps[0].From != before || b.Gaps[0].To.Offset != 1 || b.Gaps[0].To.Epoch == before.Epoch || !b.Gaps[0].Possible {
		t.Fatal(b.Gaps, err)
	}
	expect(t, readWords(t, one, 1), "a=2")
	b, err = many.Next(t.Context())
	if err != nil || len(b.Gaps) != 2 {
		t.Fatal(b.Gaps, err)
	}
	expect(t, readWords(t, many, 2), "a=2, p:1=3")
	publish(t, hub, "p:2", "4")
	publish(t, hub, "a", "5")
	expect(t, readWords(t, one, 1), "a=5")
	expect(t, readWords(t, many, 2), "p:2=4, a=5")
}

// What the tail has lost the readers get from the engine.
func TestHole(t *testing.T) {
	engine := &fickle{Memory: todoke.NewMemory(todoke.MemoryOptions{})}
	hub := newHub(t, todoke.Options{Engine: engine, Namespaces: map[string]todoke.Namespace{"two": {Retention: todoke.Retention{Messages: 2}}}})
	one := subscribe(t, hub, todoke.Now(), "a")
	two := subscribe(t, hub, todoke.Now(), "two:a")
	many := subscribe(t, hub, todoke.Now(), "a", "two:a")
	publish(t, hub, "a", "1")
	expect(t, readWords(t, many, 1), "a=1")
	engine.deaf = true
	publish(t, hub, "two:a", "2", "3", "4")
	publish(t, hub, "a", "5")
	engine.deaf = false
	publish(t, hub, "a", "6")
	expect(t, readWords(t, one, 3), "a=1, a=5, a=6")
	expect(t, readWords(t, two, 3), "gap two:a 1-2, two:a=3, two:a=4")
	expect(t, readWords(t, many, 5), "gap two:a 2-2, two:a=3, two:a=4, a=5, a=6")
}
