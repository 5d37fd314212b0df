package nats

import (
	"context"
	"fmt"

	"github.com/todoke-dev/todoke"
)

// scanMost is how many offsets a scan of the log goes over; for more, the newest message of each channel is looked at instead.
const scanMost = 50_000

// Channels implements todoke.Engine. It gives channels whose messages have all expired too, as long as the stream has them.
func (e *Engine) Channels(ctx context.Context, pattern string, after todoke.Offset) (channels []string, lost todoke.Offset, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", pattern, err)
	}
	if err := e.usable(); err != nil {
		return nil, 0, err
	}
	// No bound but the caller's: a log of millions of channels takes a while.
	bound, cancel, err := e.listing(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer cancel()
	channels, lost, err = e.list(bound, pattern, after)
	if err != nil {
		return nil, 0, e.failed(ctx, "list "+pattern, err)
	}
	return channels, lost, nil
}

// listing is bounded without the timeout.
func (e *Engine) listing(ctx context.Context) (context.Context, context.CancelFunc, error) {
	up, ok := e.link.session()
	if !ok {
		return nil, nil, e.failed(ctx, "nats", errDisconnected)
	}
	bound, cut := context.WithCancelCause(ctx)
	stopUp := context.AfterFunc(up, func() { cut(errDisconnected) })
	stopLife := context.AfterFunc(e.life, func() { cut(errClosed()) })
	return bound, func() { stopUp(); stopLife(); cut(nil) }, nil
}

func (e *Engine) list(ctx context.Context, pattern string, after todoke.Offset) (channels []string, lost todoke.Offset, err error) {
	head, err := e.catchUp(ctx)
	if err != nil {
		return nil, 0, err
	}
	if lost, err = e.horizon(ctx); err != nil {
		return nil, 0, err
	}
	if lost <= after {
		lost = 0
	}
	if after >= head.Offset {
		return nil, lost, nil
	}
	if names, ok := e.listRing(pattern, after); ok {
		return names, lost, nil
	}
	if !todoke.IsPattern(pattern) {
		newest, err := e.getter.newest(ctx, subjectOf(e.o.Prefix, pattern), epochSubject(e.o.Prefix), head.Offset)
		if err == nil && newest > after {
			channels = []string{pattern}
		}
		return channels, lost, err
	}
	channels, err = e.listStore(ctx, pattern, after, head.Offset)
	return channels, lost, err
}

// listStore goes over the log, or over the newest message of each channel. The feed goes on to the newest message that there is,
// for a copy of the stream that lags would leave out channels; so it has no filter, which would hide how far it is, unless there
// is only one copy. (Several filters, one for the end, take nats-server minutes.)
func (e *Engine) listStore(ctx context.Context, pattern string, after, head todoke.Offset) ([]string, error) {
	mark, err := e.askLeader(ctx, `{"last_by_subj":">"}`)
	if err != nil || mark == nil {
		return nil, err
	}
	c := feedConfig{from: after + 1, bodiless: true, newest: head-after > scanMost}
	if c.newest {
		c.filter = e.o.Prefix + ".>"
		if e.replicas() == 1 {
			c.filter = subjectOf(e.o.Prefix, pattern)
		}
	}
	return e.scan(ctx, c, pattern, after, todoke.Offset(mark.Seq))
}

// listRing answers from the newest part of the log, which is in memory.
func (e *Engine) listRing(pattern string, after todoke.Offset) (names []string, ok bool) {
	v := &e.view
	v.mu.Lock()
	defer v.mu.Unlock()
	steps, ok := v.ring.after(after)
	if !ok {
		return nil, false
	}
	seen := make(map[string]struct{})
	for _, s := range steps {
		if s.message == nil {
			continue
		}
		name := s.message.Channel
		if _, twice := seen[name]; !twice && todoke.MatchPattern(pattern, name) {
			seen[name] = struct{}{}
			names = append(names, name)
		}
	}
	return names, true
}

// scan collects the channels of the messages after an offset that a feed gives until it has come to another, or to its end where
// the only copy of the stream has no more for its filter.
func (e *Engine) scan(ctx context.Context, c feedConfig, pattern string, after, through todoke.Offset) ([]string, error) {
	f, err := e.openFeed(ctx, c)
	if err != nil {
		return nil, err
	}
	defer f.close()
	var names []string
	seen := make(map[string]struct{})
	alone := e.replicas() == 1 && c.filter != ""
	left := f.matching
	for at := todoke.Offset(0); at < through && !(alone && left == 0); {
		m, err := f.next(ctx)
		if err != nil {
			return nil, err
		}
		at, left = m.seq, m.pending
		name, ok := channelOf(e.o.Prefix, m.Subject)
		if !ok || at <= after || !todoke.MatchPattern(pattern, name) || todoke.ValidateChannel(name) != nil {
			continue
		}
		if _, twice := seen[name]; !twice {
			seen[name] = struct{}{}
			names = append(names, name)
		}
	}
	return names, nil
}
