package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/todoke-dev/todoke"
)

// A span is a hole of a tail, both ends included.
type span struct{ from, to todoke.Offset }

// A recorder is a strict Sink: it writes down what comes, and what may not come.
type recorder struct {
	hold func() // called by Apply before anything else; may block
	busy atomic.Bool

	mu       sync.Mutex
	epoch    string
	head     todoke.Offset // of Epoch
	messages []*todoke.Message
	holes    []span
	advanced todoke.Offset // the greatest head of Epoch and Advance
	faults   []string
}

var _ todoke.Sink = (*recorder)(nil)

// enter begins a call of the engine; the returned function ends it.
func (r *recorder) enter(call string) func() {
	alone := r.busy.CompareAndSwap(false, true)
	if r.hold != nil && call == "Apply" {
		r.hold()
	}
	r.mu.Lock()
	if !alone {
		r.fault("%s while another call runs", call)
	}
	if r.epoch == "" && call != "Epoch" {
		r.fault("%s before Epoch", call)
	}
	return func() {
		r.mu.Unlock()
		if alone {
			r.busy.Store(false)
		}
	}
}

// fault writes down a fault; the first few tell enough. r.mu is held.
func (r *recorder) fault(format string, args ...any) {
	if len(r.faults) < 5 {
		r.faults = append(r.faults, fmt.Sprintf(format, args...))
	}
}

func (r *recorder) Epoch(id string, head todoke.Offset) {
	defer r.enter("Epoch")()
	if r.epoch != "" {
		r.fault("Epoch(%q, %d) after Epoch(%q, %d), in one history", id, head, r.epoch, r.head)
	}
	r.epoch, r.head, r.advanced = id, head, head
}

func (r *recorder) Apply(batch []*todoke.Message) {
	defer r.enter("Apply")()
	for _, m := range batch {
		switch at := m.Position.Offset; {
		case m.Position.Epoch != r.epoch:
			r.fault("Apply of %v in epoch %q", m.Position, r.epoch)
		case at <= r.head:
			r.fault("Apply of %d, although Epoch said %d", at, r.head)
		case at <= r.advanced:
			r.fault("Apply of %d after Advance(%d)", at, r.advanced)
		case len(r.messages) > 0 && at <= r.messages[len(r.messages)-1].Position.Offset:
			r.fault("Apply of %d after Apply of %d", at, r.messages[len(r.messages)-1].Position.Offset)
		}
		r.messages = append(r.messages, m)
	}
}

func (r *recorder) Advance(head todoke.Offset) {
	defer r.enter("Advance")()
	r.advanced = max(r.advanced, head)
}

func (r *recorder) Hole(from, to todoke.Offset) {
	defer r.enter("Hole")()
	if from > to {
		r.fault("Hole(%d, %d)", from, to)
	}
	r.holes = append(r.holes, span{from, to})
}

// seen returns a copy of what came.
func (r *recorder) seen() (messages []*todoke.Message, holes []span, advanced todoke.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages), slices.Clone(r.holes), r.advanced
}

// started reports whether Epoch came, and with what.
func (r *recorder) started() (id string, head todoke.Offset, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch, r.head, r.epoch != ""
}

// reached reports whether the tail has advanced to offset.
func (r *recorder) reached(offset todoke.Offset) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch != "" && r.advanced >= offset
}

// A tail is one running call of Engine.Tail.
type tail struct {
	*recorder
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// tail starts a Tail and returns when its Epoch came. It is stopped, and its faults told, when the test ends.
func (f *fixture) tail(from todoke.Position) *tail {
	f.t.Helper()
	return f.tailInto(from, &recorder{})
}

func (f *fixture) tailInto(from todoke.Position, r *recorder) *tail {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.ctx)
	tl := &tail{recorder: r, t: f.t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(tl.done)
		tl.err = f.e.Tail(ctx, from, tl.recorder)
	}()
	f.t.Cleanup(tl.stop)
	eventually(f.t, "Tail calls Epoch", func() bool {
		if _, _, ok := tl.started(); ok {
			return true
		}
		select {
		case <-tl.done:
			f.t.Fatalf("Tail returned before Epoch: %v", tl.err)
		default:
		}
		return false
	})
	if id, _, _ := tl.started(); id != f.epoch {
		f.t.Errorf("Tail calls Epoch with %q, Head says %q", id, f.epoch)
	}
	return tl
}

// stop ends the tail and tells what it did wrong. It may be called again.
func (tl *tail) stop() {
	tl.t.Helper()
	tl.cancel()
	eventually(tl.t, "Tail returns when its ctx ends", tl.ended)
	// A tail that Close ended has another error.
	if tl.err == nil {
		tl.t.Error("Tail returned nil; it should return the error of ctx, or why the store is lost")
	}
	tl.mu.Lock()
	defer tl.mu.Unlock()
	for _, fault := range tl.faults {
		tl.t.Error("Sink: " + fault)
	}
	tl.faults = nil
}

func (tl *tail) ended() bool {
	select {
	case <-tl.done:
		return true
	default:
		return false
	}
}

// gives waits until the tail has everything of log, and fails unless it has just that.
func (tl *tail) gives(log []*todoke.Message) {
	tl.t.Helper()
	tl.catchUp(log)
	got, holes, _ := tl.seen()
	if len(holes) > 0 {
		tl.t.Errorf("Tail told of holes %v to a sink that keeps up", holes)
	}
	compare(tl.t, "Tail", got, log)
}

// covers waits until the tail has told of everything of log: applied, or in a hole. What it applies must be of log.
func (tl *tail) covers(log []*todoke.Message) {
	tl.t.Helper()
	tl.catchUp(log)
	got, holes, _ := tl.seen()
	i := 0
	for _, want := range log {
		at := want.Position.Offset
		if i < len(got) && got[i].Position.Offset == at {
			if d := differ(got[i], want); d != "" {
				tl.t.Fatalf("Tail: message at %d: %s", at, d)
			}
			i++
			continue
		}
		if !slices.ContainsFunc(holes, func(h span) bool { return h.from <= at && at <= h.to }) {
			tl.t.Fatalf("Tail: %s@%d was neither applied nor in a hole; holes are %v", want.Channel, at, holes)
		}
	}
	if i < len(got) {
		tl.t.Fatalf("Tail applied %d, which nobody published", got[i].Position.Offset)
	}
}

// catchUp waits until the tail says that it has everything of log.
func (tl *tail) catchUp(log []*todoke.Message) {
	tl.t.Helper()
	if len(log) == 0 {
		return
	}
	last := log[len(log)-1].Position.Offset
	eventually(tl.t, fmt.Sprintf("the tail advances to %d", last), func() bool { return tl.reached(last) })
}

// endsWith stops the tail and fails unless its error matches that of the context.
func (tl *tail) endsWith(want error) {
	tl.t.Helper()
	tl.stop()
	if !errors.Is(tl.err, want) {
		tl.t.Errorf("Tail returned %v; it should match %v", tl.err, want)
	}
}
