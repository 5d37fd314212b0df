package evented

import (
	"context"

	"github.com/todoke-dev/todoke"
)

// A Chase is a subscription's way of asking an engine that takes time: a goroutine reads, one batch, and the link goes on with what
// it found. The zero value is none. Meanwhile the subscription is the goroutine's.
type Chase struct {
	running bool
	// over is set when the subscription is to be closed by whoever comes back.
	over bool
	then func() // waits for the goroutine; nil: nobody does
}

// Running reports whether the subscription is a goroutine's at present.
func (c *Chase) Running() bool { return c.running }

// Await has then called once, at the worker's turn, when the goroutine that is running has come back and what it read was sent; never,
// if the Chase is closed meanwhile or the link is.
func (c *Chase) Await(then func()) { c.then = then }

// start reads the next batch on a goroutine.
func (c *Chase) start(l *Link, sub *todoke.Subscription, format todoke.Format) {
	c.running = true
	p := l.worker.pool
	p.chasing.Go(func() {
		frames, err := p.read(sub, format)
		if !l.Do(func() { c.back(l, sub, format, frames, err) }) {
			sub.Close() // the worker has stopped, and nobody else is left
		}
	})
}

func (p *Pool) read(sub *todoke.Subscription, format todoke.Format) (todoke.Frames, error) {
	select {
	case p.chasers <- struct{}{}:
		defer func() { <-p.chasers }()
	case <-p.ctx.Done():
		return todoke.Frames{}, context.Cause(p.ctx)
	}
	return sub.ReadFrames(p.ctx, format)
}

// back goes on at the worker's turn.
func (c *Chase) back(l *Link, sub *todoke.Subscription, format todoke.Format, frames todoke.Frames, err error) {
	c.running = false
	then := c.then
	c.then = nil
	switch {
	case c.over || l.is(closed):
		sub.Close()
		return
	case err != nil:
		l.transport.Ended(sub, err)
	case len(frames.Bytes) > 0:
		l.Send(frames.Bytes)
	}
	if then != nil {
		then()
	}
	if err == nil && !c.over {
		l.Pump(sub, format, c)
	}
}

// Close closes the subscription, now or when the goroutine that reads it comes back.
func (c *Chase) Close(sub *todoke.Subscription) {
	c.over = true
	if !c.running {
		sub.Close()
	}
}
