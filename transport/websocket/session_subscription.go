package websocket

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// A reading is a subscription with its goroutine, run, which reads it and writes what comes; it ends with stop, with the
// session, or when the hub drains.
type reading struct {
	*subscription
	ctx  context.Context
	stop context.CancelFunc

	// batch is held from a read until all of it is written.
	batch sync.Mutex
}

// follow implements carrier.
func (s *session) follow(sub *subscription, told todoke.Position) {
	u := &reading{subscription: sub}
	sub.reading = u
	u.ctx, u.stop = context.WithCancel(s.ctx)
	s.enter()
	s.running.Go(func() {
		defer s.ended()
		defer u.sub.Close()
		err := u.run(s.link, told, s.h.o.KeepAlive)
		if u.ctx.Err() == nil && !errors.Is(err, todoke.CodeRestarting) {
			s.cancel(err)
		}
	})
}

// leave implements carrier.
func (s *session) leave(list []leaving, answer func() error) error {
	for _, l := range list {
		// What was read is written first; what is read later is without the channels.
		u := l.from.reading
		u.batch.Lock()
		defer u.batch.Unlock()
		if l.all {
			u.stop()
		} else {
			u.sub.Remove(l.channels...)
		}
	}
	return answer()
}

// run writes what comes until the subscription ends. Its error is never nil.
func (u *reading) run(l *link, told todoke.Position, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	now := make(chan struct{})
	close(now)
	for {
		more, err := u.pass(l)
		if err != nil {
			return err
		}
		var again chan struct{}
		if more {
			again = now
		}
		select { // takes any of those that are ready
		case <-u.ctx.Done():
			return u.ctx.Err()
		case <-tick.C:
			if told, err = u.tell(l, told); err != nil {
				return err
			}
		case <-u.sub.Wake():
		case <-again:
		}
	}
}

// pass writes one batch, and reports whether there was one.
func (u *reading) pass(l *link) (more bool, err error) {
	u.batch.Lock()
	defer u.batch.Unlock()
	if u.ctx.Err() != nil { // it may have been unsubscribed while pass waited
		return false, u.ctx.Err()
	}
	frames, err := u.sub.ReadFrames(u.ctx, frame.Session{})
	if err != nil || len(frames.Bytes) == 0 {
		return false, err
	}
	return true, l.writeAll(frames)
}

// tell says where the subscription is, unless it has just ended.
func (u *reading) tell(l *link, told todoke.Position) (todoke.Position, error) {
	u.batch.Lock()
	defer u.batch.Unlock()
	if u.ctx.Err() != nil {
		return told, u.ctx.Err()
	}
	return l.tell(u.sub, told, u.id)
}
