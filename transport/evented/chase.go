package evented

import (
	"context"

	"github.com/todoke-dev/todoke"
)

// A Chase is a subscription's way of asking an engine that takes time: a goroutine reads, one batch, and the link goes on with what
// it found. The zero value is none. Meanwhile the subscription is the goroutine's.
type Chase struct {
	running bool
	cancel  context.CancelFunc // of what is read; nil when nothing is
	// over is set when the subscription is to be closed by whoever comes back.
	over bool
}

// Running reports whether the subscription is a goroutine's at present.
func (c *Chase) Running() bool { return c.running }

// start reads the next batch on a goroutine.
func (c *Chase) start(l *Link, sub *todoke.Subscription, format todoke.Format) {
	c.running = true
	p := l.worker.pool
	ctx, cancel := context.WithCancel(p.ctx)
	c.cancel = cancel
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
	c.running = false
	c.cancel()
	c.cancel = nil
	switch {
	case c.over || l.is(closed):
		sub.Close()
	case err != nil:
		l.transport.Ended(sub, err)
	default:
		if len(frames.Bytes) > 0 {
			l.Send(frames.Bytes)
		}
		l.Pump(sub, format, c)
	}
}

// Close closes the subscription, now or when the goroutine that reads it comes back, which it is told to.
func (c *Chase) Close(sub *todoke.Subscription) {
	c.over = true
	if !c.running {
		sub.Close()
		return
	}
	c.cancel()
}
