package enginetest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
)

// A lasting engine keeps its log in an engine that outlives it, as a server beside the process does. It is there
// to try the scenarios that the memory engine cannot do, and those of time on a real clock.
type lasting struct {
	store  *store
	closed context.Context // ends with Close
	close  context.CancelFunc
}

// A store is opened once, by its first engine.
type store struct {
	todoke.Engine
	once sync.Once
	err  error
}

func newLasting(s *store) *lasting {
	l := &lasting{store: s}
	l.closed, l.close = context.WithCancel(context.Background())
	return l
}

func (l *lasting) Open(ctx context.Context, retention func(string) *todoke.Retention) error {
	l.store.once.Do(func() { l.store.err = l.store.Open(ctx, retention) })
	return l.store.err
}

func (l *lasting) Caps() todoke.Caps { return todoke.Caps{Process: true} }

// usable returns CodeClosed after Close.
func (l *lasting) usable() error {
	if l.closed.Err() != nil {
		return todoke.CodeClosed
	}
	return nil
}

func (l *lasting) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	if err := l.usable(); err != nil {
		return err
	}
	return l.store.Publish(ctx, batch, results)
}

func (l *lasting) Tail(ctx context.Context, from todoke.Position, sink todoke.Sink) error {
	if err := l.usable(); err != nil {
		return err
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closed, cancel)()
	err := l.store.Tail(both, from, sink)
	if ctx.Err() == nil && l.usable() != nil {
		return l.usable()
	}
	return err
}

func (l *lasting) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if err := l.usable(); err != nil {
		return todoke.Page{}, err
	}
	return l.store.Read(ctx, r)
}

func (l *lasting) Channels(ctx context.Context, pattern string, after todoke.Offset) ([]string, todoke.Offset, error) {
	if err := l.usable(); err != nil {
		return nil, 0, err
	}
	return l.store.Channels(ctx, pattern, after)
}

func (l *lasting) Head(ctx context.Context) (todoke.Position, error) {
	if err := l.usable(); err != nil {
		return todoke.Position{}, err
	}
	return l.store.Head(ctx)
}

func (l *lasting) Close() error {
	l.close()
	return nil
}

// TestLasting runs the suite on a log that outlives its engine, in real time.
func TestLasting(t *testing.T) {
	start := func(t *testing.T, window time.Duration) todoke.Engine {
		s := &store{Engine: todoke.NewMemory(todoke.MemoryOptions{IdempotencyWindow: window})}
		t.Cleanup(func() {
			if err := s.Engine.Close(); err != nil {
				t.Error(err)
			}
		})
		return newLasting(s)
	}
	again := func(t *testing.T, e todoke.Engine) todoke.Engine {
		l := e.(*lasting)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		return newLasting(l.store)
	}
	enginetest.Run(t, enginetest.Harness{
		New:       func(t *testing.T) todoke.Engine { return start(t, 0) },
		NewWindow: start,
		Reopen:    again,
		Kill:      again,
		MaxAgeLag: time.Millisecond,
	})
}
