package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

// A reader follows its channels, changes the transport now and then, and checks that every number comes once, in order.
type reader struct {
	stage     *stage
	total     *result
	random    *rand.Rand
	transport client.Transport
	interest  []string
	at        todoke.Position
	seen      map[string]int64
	last      *[4]atomic.Int64
	stop      chan struct{}
}

func (r *reader) run() {
	c, err := client.New(r.stage.url, client.Options{MinBackoff: 5 * time.Millisecond, MaxBackoff: 200 * time.Millisecond})
	if err != nil {
		atomic.AddInt64(&r.total.errors, 1)
		return
	}
	for !r.done() {
		if r.random.IntN(3) == 0 {
			r.transport = transports[r.random.IntN(len(transports))]
			atomic.AddInt64(&r.total.hops, 1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(200+r.random.IntN(5000))*time.Millisecond)
		r.follow(ctx, c)
		cancel()
	}
	r.count()
}

func (r *reader) follow(ctx context.Context, c *client.Client) {
	stream, err := c.Subscribe(ctx, client.SubscribeOptions{
		Channels: r.interest, Since: todoke.After(r.at), Transport: r.transport, PollInterval: 50 * time.Millisecond,
	})
	if err != nil {
		r.fault(ctx)
		return
	}
	defer stream.Close()
	for !r.done() {
		e, err := stream.Next(ctx)
		if err != nil {
			r.fault(ctx)
			return
		}
		r.take(e)
	}
}

// fault counts an error that is not the end of the turn.
func (r *reader) fault(ctx context.Context) {
	if ctx.Err() == nil {
		atomic.AddInt64(&r.total.errors, 1)
	}
}

func (r *reader) take(e client.Event) {
	r.at = e.Position
	switch {
	case e.Gap != nil:
		atomic.AddInt64(&r.total.gaps, 1)
	case e.Message != nil:
		atomic.AddInt64(&r.total.delivered, 1)
		n, seen := number(e.Message), r.seen[e.Message.Channel]
		switch {
		case n == seen:
			atomic.AddInt64(&r.total.duplicated, 1)
		case n < seen:
			atomic.AddInt64(&r.total.reordered, 1)
		default:
			atomic.AddInt64(&r.total.lost, n-seen-1)
			r.seen[e.Message.Channel] = n
		}
	}
}

// wants reports whether the reader follows the channel.
func (r *reader) wants(channel string) bool {
	return slices.ContainsFunc(r.interest, func(p string) bool { return todoke.MatchPattern(p, channel) })
}

// done reports whether publishing is over and the reader has everything..
func (r *reader) done() bool {
	select {
	case <-r.stop:
	default:
		return false
	}
	for i, channel := range channels {
		if r.wants(channel) && r.seen[channel] < r.last[i].Load() {
			return r.at.Offset >= r.stage.hub.Head().Offset
		}
	}
	return true
}

// count adds what never came.
func (r *reader) count() {
	for i, channel := range channels {
		if r.wants(channel) {
			atomic.AddInt64(&r.total.lost, max(0, r.last[i].Load()-r.seen[channel]))
		}
	}
}
