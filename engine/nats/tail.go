package nats

import (
	"context"

	"github.com/todoke-dev/todoke"
)

// tailBatch is the most messages of one Apply.
const tailBatch = 256

// Tail implements todoke.Engine. A sink that is slow holds nobody up: it falls behind the ring and then reads from the store, at its
// own pace; what the store no longer has is told by Hole.
func (e *Engine) Tail(ctx context.Context, from todoke.Position, sink todoke.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.usable(); err != nil {
		return err
	}
	wake := func() {
		e.view.mu.Lock()
		defer e.view.mu.Unlock()
		e.view.moved.Broadcast()
	}
	defer context.AfterFunc(ctx, wake)()
	t := &tail{e: e, sink: sink}
	if err := t.begin(ctx, from); err != nil {
		return e.tailEnd(ctx, err)
	}
	for {
		behind, err := t.live(ctx)
		if err != nil {
			return e.tailEnd(ctx, err)
		}
		if behind {
			if err := t.catchUp(ctx); err != nil {
				return e.tailEnd(ctx, err)
			}
		}
	}
}

func (e *Engine) tailEnd(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case e.life.Err() != nil:
		return errClosed()
	}
	return err
}

// A tail is one call of Tail.
type tail struct {
	e          *Engine
	sink       todoke.Sink
	generation int
	at         todoke.Offset // the sink has everything up to here
}

// begin tells the epoch and where the tail starts.
func (t *tail) begin(ctx context.Context, from todoke.Position) error {
	v := &t.e.view
	v.mu.Lock()
	epoch, head := v.epoch, v.ring.head()
	ahead := from.Epoch == epoch && from.Offset > head
	v.mu.Unlock()
	if from.Epoch != epoch || ahead {
		// It starts at the head as it is, not as this node knows it.
		bound, cancel, err := t.e.bounded(ctx)
		if err != nil {
			return err
		}
		defer cancel()
		if _, err := t.e.catchUp(bound); err != nil {
			return t.e.failed(ctx, "tail", err)
		}
	}
	v.mu.Lock()
	t.generation, t.at = v.generation, v.ring.head()
	epoch = v.epoch
	v.mu.Unlock()
	if from.Epoch == epoch && from.Offset < t.at {
		t.at = from.Offset
	}
	t.sink.Epoch(epoch, t.at)
	t.sink.Advance(t.at)
	return nil
}

// live hands on what the view has, until ctx ends or the ring does not reach back to the tail.
func (t *tail) live(ctx context.Context) (behind bool, err error) {
	v := &t.e.view
	messages := make([]*todoke.Message, 0, tailBatch)
	for {
		v.mu.Lock()
		for ctx.Err() == nil && t.e.life.Err() == nil && v.generation == t.generation && v.ring.head() <= t.at {
			v.moved.Wait()
		}
		if ctx.Err() != nil || t.e.life.Err() != nil {
			v.mu.Unlock()
			return false, context.Canceled // tailEnd tells which
		}
		if v.generation != t.generation {
			t.generation, t.at = v.generation, v.began
			epoch := v.epoch
			v.mu.Unlock()
			t.sink.Epoch(epoch, t.at)
			t.sink.Advance(t.at)
			continue
		}
		steps, ok := v.ring.after(t.at)
		if !ok {
			v.mu.Unlock()
			return true, nil
		}
		messages = messages[:0]
		to, hole := t.at, todoke.Offset(0)
		for _, s := range steps {
			if len(messages) == tailBatch || s.hole != 0 && to > t.at {
				break
			}
			to, hole = s.to, s.hole
			if s.message != nil {
				messages = append(messages, s.message)
			}
			if hole != 0 {
				break
			}
		}
		v.mu.Unlock()
		t.give(messages, to, hole)
	}
}

// give hands on messages up to an offset, or a hole that ends there.
func (t *tail) give(messages []*todoke.Message, to, hole todoke.Offset) {
	if hole != 0 {
		t.sink.Hole(max(hole, t.at+1), to)
	}
	if len(messages) > 0 {
		t.sink.Apply(messages)
	}
	t.at = to
	t.sink.Advance(to)
}

// catchUp reads the log from the store until the ring reaches back to the tail, or the epoch is another.
func (t *tail) catchUp(ctx context.Context) error {
	bound, cancel, err := t.e.listing(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	f, err := t.e.openFeed(bound, feedConfig{from: t.at + 1})
	if err != nil {
		return t.e.failed(ctx, "tail", err)
	}
	defer f.close()
	messages := make([]*todoke.Message, 0, tailBatch)
	for {
		v := &t.e.view
		v.mu.Lock()
		done := v.generation != t.generation || t.at >= v.ring.base
		epoch := v.epoch
		v.mu.Unlock()
		if done {
			return nil
		}
		messages = messages[:0]
		to := t.at
		for len(messages) < tailBatch {
			m, err := f.next(bound)
			if err != nil {
				return t.e.failed(ctx, "tail", err)
			}
			if m.seq <= to {
				continue
			}
			if m.seq > to+1 {
				t.give(messages, to, 0)
				messages = messages[:0]
				t.give(nil, m.seq-1, to+1)
			}
			to = m.seq
			if channel, ok := channelOf(t.e.o.Prefix, m.Subject); ok && todoke.ValidateChannel(channel) == nil {
				messages = append(messages, decode(channel, m.Header, m.Data, todoke.Position{Epoch: epoch, Offset: m.seq}, m.time))
			}
			if len(f.msgs) == 0 {
				break
			}
		}
		t.give(messages, to, 0)
	}
}
