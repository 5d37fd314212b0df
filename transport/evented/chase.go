package evented

import (
	"context"

	"github.com/todoke-dev/todoke"
)

// A Chase is a subscription's way of asking an engine that takes time: a goroutine reads, one batch, and the link goes on with what
// it found. The zero value is none. Meanwhile the subscription is the goroutine's.
type Chase struct {
	errand *errand // nil: none is running
	closed bool
}

// An errand is a read under way. There are few, so links have room for no more than a pointer.
type errand struct {
	cancel context.CancelFunc
	then   func() // waits for the goroutine; nil: nobody does
}

// Running reports whether the subscription is a goroutine's at present.
func (c *Chase) Running() bool { return c.errand != nil }

// Await has then called once, at the worker's turn, when the goroutine that is running has come back and what it read was sent; never,
// if the Chase is closed meanwhile or the link is. It is called while one is running.
func (c *Chase) Await(then func()) { c.errand.then = then }

// start reads the next batch on a goroutine.
func (c *Chase) start(l *Link, sub *todoke.Subscription, format todoke.Format) {
	p := l.worker.pool
	ctx, cancel := context.WithCancel(p.ctx)
	c.errand = &errand{cancel: cancel}
	p.chasing.Go(func() {
		frames, err := p.read(ctx, sub, format)
		if !l.Do(func() { c.back(l, sub, format, frames, err) }) {
			cancel()
			l.worker.reactor.Stop() // returns when the last turn, to which the subscription belongs, is over
			sub.Close()
		}
	})
}

func (p *Pool) read(ctx context.Context, sub *todoke.Subscription, format todoke.Format) (todoke.Frames, error) {
	select {
	case p.chasers <- struct{}{}:
		defer func() { <-p.chasers }()
	case <-ctx.Done():
		return todoke.Frames{}, context.Cause(ctx)
	}
	return sub.ReadFrames(ctx, format)
}

// back goes on at the worker's turn.
func (c *Chase) back(l *Link, sub *todoke.Subscription, format todoke.Format, frames todoke.Frames, err error) {
	e := c.errand
	c.errand = nil
	e.cancel()
	switch {
	case c.closed || l.is(closed):
		sub.Close()
		return
	case err != nil:
		l.transport.Ended(sub, err)
	case len(frames.Bytes) > 0:
		l.Send(frames.Bytes)
	}
	if e.then != nil {
		e.then()
	}
	if err == nil && !c.closed {
		l.Pump(sub, format, c)
	}
}

// Close closes the subscription, now or when the goroutine that reads it comes back, which it is told to.
func (c *Chase) Close(sub *todoke.Subscription) {
	c.closed = true
	if c.errand == nil {
		sub.Close()
		return
	}
	c.errand.cancel()
}
