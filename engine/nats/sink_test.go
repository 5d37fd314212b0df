package nats_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// A diary is a sink that writes down what comes, in words.
type diary struct {
	mu    sync.Mutex
	lines []string
	head  todoke.Offset
	epoch string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) Epoch(id string, head todoke.Offset) {
	d.add("epoch")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.epoch, d.head = id, head
}

func (d *diary) Apply(batch []*todoke.Message) {
	for _, m := range batch {
		d.add("%s", m.Data)
	}
}

func (d *diary) Advance(head todoke.Offset) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.head = head
}

func (d *diary) Hole(from, to todoke.Offset) { d.add("hole %d-%d", from, to) }

func (d *diary) has(line string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func (d *diary) at() todoke.Position {
	d.mu.Lock()
	defer d.mu.Unlock()
	return todoke.Position{Epoch: d.epoch, Offset: d.head}
}

// moved is closed when n more lines were written, or after a moment.
func (d *diary) moved(n int) <-chan struct{} {
	done := make(chan struct{})
	goal := len(d.all()) + n
	go func() {
		defer close(done)
		for range 40 {
			if len(d.all()) >= goal {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
	return done
}

// tail follows e into a diary, and again when it is told that the store is lost, as a hub does.
func tail(t testing.TB, e todoke.Engine, from todoke.Position) *diary {
	t.Helper()
	d := &diary{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			_ = e.Tail(ctx, from, d)
			if at := d.at(); !at.IsZero() {
				from = at
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	eventually(t, "the tail begins", func() bool { return d.has("epoch") })
	return d
}
