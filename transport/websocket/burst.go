package websocket

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket/framing"
)

const (
	// burstBytes is how much of answers is gathered, and so about the most that waits for a peer that does not read.
	burstBytes = 32 << 10
	// burstTime is about how long an answer waits for those to the requests behind it.
	burstTime = time.Millisecond
)

// A burst carries out requests that came together, one after the other, on a goroutine of its own, so that the worker does not
// wait; the link is deaf meanwhile. What it wants of the worker it gathers in steps, and comes back. It is the carrier of the session's desk.
type burst struct {
	s      *pooledSession
	ctx    context.Context
	cancel context.CancelFunc
	stop   atomic.Bool // set by the worker: no further request

	// Owned by the goroutine, and then by the worker.
	rest   []byte // behind the requests that were carried out
	steps  []step
	size   int    // of the steps' texts
	ponged bool   // a pong was heard
	last   []byte // the link's last words; nil: it goes on
	back   bool
}

var _ carrier = (*burst)(nil)

// A step is for the worker's turn: first the leaving, then the text is sent, then join is followed.
type step struct {
	leaving []leaving
	text    []byte
	join    *following
}

// begin begins a burst.
func (s *pooledSession) begin(request, rest []byte) {
	b := &burst{s: s, rest: rest}
	b.ctx, b.cancel = context.WithCancel(s.ctx)
	s.burst, s.desk.carrier = b, b
	s.Deafen()
	s.Go(func() {
		b.run(request)
		if !s.Do(b.comeBack) {
			b.abandon()
		}
	})
}

// run carries out requests until there are no more, or those that were are to be answered first.
func (b *burst) run(request []byte) {
	desk, began := &b.s.desk, time.Now()
	for {
		if err := desk.serve(b.ctx, request); err != nil {
			b.last = desk.h.farewell(err)
			return
		}
		if len(b.rest) == 0 || b.size >= burstBytes || b.stop.Load() || b.ctx.Err() != nil || time.Since(began) > burstTime {
			return
		}
		h := hear(&b.s.reader, b.rest, desk.rules(), nil)
		b.rest, b.ponged = h.rest, b.ponged || h.ponged
		if h.over {
			b.last = h.reply
			return
		}
		if len(h.reply) > 0 {
			text := b.text()
			*text = append(*text, h.reply...)
			b.size += len(h.reply)
		}
		if h.message.Op == 0 {
			return
		}
		request = h.message.Payload
	}
}

// text is where the next frames go.
func (b *burst) text() *[]byte {
	if len(b.steps) == 0 || b.steps[len(b.steps)-1].join != nil {
		b.steps = append(b.steps, step{})
	}
	return &b.steps[len(b.steps)-1].text
}

// write implements carrier.
func (b *burst) write(answer []byte) error {
	text := b.text()
	if *text == nil { // most answers are about as long as their requests
		*text = make([]byte, 0, min(burstBytes, len(b.rest))+256)
	}
	*text = framing.AppendText(*text, answer)
	b.size += len(answer)
	return nil
}

// follow implements carrier.
func (b *burst) follow(u *subscription, told todoke.Position) {
	u.pumping = &following{s: b.s, id: u.id, sub: u.sub, told: told}
	b.text()
	b.steps[len(b.steps)-1].join = u.pumping
}

// leave implements carrier.
func (b *burst) leave(list []leaving, answer func() error) error {
	b.steps = append(b.steps, step{leaving: list})
	return answer()
}

// comeBack goes on at the worker's turn.
func (b *burst) comeBack() {
	b.back = true
	b.s.pinged = b.s.pinged && !b.ponged
	b.proceed()
}

// proceed takes the steps that are left. It waits where a goroutine reads a subscription that loses some of its channels: what that
// has read is to come before the answer.
func (b *burst) proceed() {
	s := b.s
	for !s.Over() && len(b.steps) > 0 {
		next := &b.steps[0]
		for len(next.leaving) > 0 {
			l := next.leaving[0]
			if f := l.from.pumping; !l.all && f.chase.Running() {
				f.chase.Await(b.proceed)
				return
			}
			s.part(l)
			next.leaving = next.leaving[1:]
		}
		done := *next
		b.steps = b.steps[1:]
		s.Send(done.text) // may end the link, and then those of the steps that are left
		switch {
		case done.join == nil:
		case s.Over():
			done.join.sub.Close()
		default:
			s.join(done.join)
		}
	}
	b.abandon() // what is left if the link is over
	b.end()
}

// end has the session go on without the burst.
func (b *burst) end() {
	s := b.s
	s.burst, s.desk.carrier, s.desk.text = nil, nil, nil
	switch {
	case s.Over():
	case b.last != nil:
		s.finish(b.last)
	default:
		s.rest = b.rest
		s.endIfDrained()
		if !s.Over() {
			s.next()
		}
	}
}

// drop is called when the link was closed.
func (b *burst) drop() {
	b.cancel()
	if b.back {
		b.abandon()
	}
}

// abandon gives up what nobody has taken over.
func (b *burst) abandon() {
	b.cancel()
	for _, left := range b.steps {
		if left.join != nil {
			left.join.sub.Close()
		}
	}
	b.steps = nil
}
