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
	// The feed has to come to the newest message that there is: a copy of the stream that lags would leave out channels.
	mark, err := e.askLeader(ctx, `{"last_by_subj":">"}`)
	if err != nil || mark == nil {
		return nil, lost, err
	}
	c := feedConfig{filters: []string{subjectOf(e.o.Prefix, pattern)}, from: after + 1, bodiless: true}
	c.newest = head.Offset-after > scanMost || !todoke.IsPattern(pattern)
	if name, ok := channelOf(e.o.Prefix, mark.Subject); !ok || !todoke.MatchPattern(pattern, name) {
		c.filters = append(c.filters, mark.Subject)
	}
	names, err := e.scan(ctx, c, pattern, after, todoke.Offset(mark.Seq))
	return names, lost, err
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

// scan collects the channels of the messages after an offset that a feed gives until it has come to another.
func (e *Engine) scan(ctx context.Context, c feedConfig, pattern string, after, through todoke.Offset) ([]string, error) {
	f, err := e.openFeed(ctx, c)
	if err != nil {
		return nil, err
	}
	defer f.close()
	var names []string
	seen := make(map[string]struct{})
	for at := todoke.Offset(0); at < through; {
		m, err := f.next(ctx)
		if err != nil {
			return nil, err
		}
		at = m.seq
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
