package websocket

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// A subscription is one of a session's. Its goroutine, run, reads it and writes what comes; it ends with stop, with the
// session, or when the hub drains.
type subscription struct {
	id   uint32
	sub  *todoke.Subscription
	ctx  context.Context
	stop context.CancelFunc

	// batch is held from a read until all of it is written.
	batch sync.Mutex

	// Owned by the session's read.
	channels []string
}

// follow starts a subscription whose answer was written.
func (s *session) follow(id uint32, sub *todoke.Subscription, channels []string, told todoke.Position) {
	u := &subscription{id: id, sub: sub, channels: channels}
	u.ctx, u.stop = context.WithCancel(s.ctx)
	s.subscriptions[id] = u
	for _, channel := range channels {
		s.owners[channel] = u
	}
	s.enter()
	s.running.Go(func() {
		defer s.leave()
		defer u.sub.Close()
		err := u.run(s.link, told, s.h.o.KeepAlive)
		if u.ctx.Err() == nil && !errors.Is(err, todoke.CodeRestarting) {
			s.cancel(err)
		}
	})
}

// remove takes channels out of u, and ends u when none is left. It is called by the session's read, with u.batch held.
func (s *session) remove(u *subscription, channels []string) {
	u.channels = slices.DeleteFunc(u.channels, func(channel string) bool {
		if !slices.Contains(channels, channel) {
			return false
		}
		delete(s.owners, channel)
		return true
	})
	if len(u.channels) > 0 {
		u.sub.Remove(channels...)
		return
	}
	u.stop()
	delete(s.subscriptions, u.id)
}

// run writes what comes until the subscription ends. Its error is never nil.
func (u *subscription) run(l *link, told todoke.Position, every time.Duration) error {
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
func (u *subscription) pass(l *link) (more bool, err error) {
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
func (u *subscription) tell(l *link, told todoke.Position) (todoke.Position, error) {
	u.batch.Lock()
	defer u.batch.Unlock()
	if u.ctx.Err() != nil {
		return told, u.ctx.Err()
	}
	return l.tell(u.sub, told, u.id)
}
