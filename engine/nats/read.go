package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/todoke-dev/todoke"
)

// Read implements todoke.Engine.
func (e *Engine) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if err := ctx.Err(); err != nil {
		return todoke.Page{}, fmt.Errorf("read %s: %w", r.Channel, err)
	}
	if err := e.usable(); err != nil {
		return todoke.Page{}, err
	}
	if r.UpTo <= r.After {
		return todoke.Page{}, nil
	}
	bound, cancel, err := e.bounded(ctx)
	if err != nil {
		return todoke.Page{}, err
	}
	defer cancel()
	page, err := e.read(bound, r)
	if err != nil {
		return todoke.Page{}, e.failed(ctx, "read "+r.Channel, err)
	}
	return page, nil
}

// errMoved: the log got another epoch, or an index was given up, while it was read.
var errMoved = errors.New("the log changed while it was read")

func (e *Engine) read(ctx context.Context, r todoke.Range) (page todoke.Page, err error) {
	if r.UpTo > e.headNow() { // a position of another node, which was ahead
		if _, err := e.catchUp(ctx); err != nil {
			return page, err
		}
	}
	for {
		page, err = e.tryRead(ctx, r)
		if !errors.Is(err, errMoved) {
			return page, err
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return page, err
		}
	}
}

// tryRead takes what the index says from the ring or from the store.
func (e *Engine) tryRead(ctx context.Context, r todoke.Range) (page todoke.Page, err error) {
	x, fresh, err := e.index(ctx, r.Channel)
	if err != nil {
		return page, err
	}
	v := &e.view
	v.mu.Lock()
	if v.indexes.byChannel[r.Channel] != x {
		v.mu.Unlock()
		return page, errMoved
	}
	now := time.Now()
	x.expire(now)
	page.Lost = x.loss(r.After, r.UpTo)
	want, more := x.pick(r, now)
	page.More = more
	epoch := v.epoch
	have := make([]*todoke.Message, len(want))
	for i, n := range want {
		if n.at > v.ring.base {
			have[i] = v.ring.at(n.at)
		}
		if have[i] == nil {
			have[i] = fresh[n.at]
		}
	}
	v.mu.Unlock()
	missing, err := e.fetch(ctx, r.Channel, epoch, want, have)
	if err != nil {
		return page, err
	}
	if missing > 0 {
		// It was retained and the stream has it no more: over MaxBytes, or purged. What goes, goes from the oldest on.
		v.mu.Lock()
		x.gone(missing)
		v.mu.Unlock()
		return page, errMoved
	}
	page.Messages = have
	return page, nil
}

// fetch fills in the messages that are nil. missing is the newest of them that the store does not have any more; 0: it has all.
func (e *Engine) fetch(ctx context.Context, channel, epoch string, want []entry, have []*todoke.Message) (missing todoke.Offset, err error) {
	subject := subjectOf(e.o.Prefix, channel)
	wait := time.Duration(0)
	for i := 0; i < len(want); {
		if have[i] != nil {
			i++
			continue
		}
		n := i
		for n < len(want) && have[n] == nil {
			n++
		}
		if n = min(n, i+getMessages); sparse(want[i:n]) {
			if err := e.fetchEach(ctx, epoch, want[i:n], have[i:n]); err != nil {
				return 0, err
			}
			if have[i] != nil {
				continue
			}
		}
		at := i
		_, err := e.getter.batch(ctx, subject, want[i].at, n-i, func(s stored) {
			for i < n && want[i].at < s.seq {
				missing = want[i].at // it would have come before
				i++
			}
			if i < n && want[i].at == s.seq {
				have[i], _ = e.message(s, epoch)
				i++
			}
		})
		if err != nil && !errors.Is(err, errNotFound) && !notLed(err) {
			return 0, err
		}
		if i > at {
			wait = 0
			continue
		}
		// Nothing came: the replica lags, or the rest is gone.
		newest, err := e.getter.newest(ctx, subject, epochSubject(e.o.Prefix), want[i].at)
		if err != nil {
			return 0, err
		}
		if newest < want[i].at {
			return want[n-1].at, nil
		}
		if err := pause(ctx, wait); err != nil {
			return 0, err
		}
		wait = min(2*wait+time.Millisecond, 50*time.Millisecond)
	}
	return missing, nil
}

// sparse reports whether messages lie so far apart in the log that the server finds them faster one by one than by going through
// what lies between.
func sparse(want []entry) bool {
	const apart = 32
	return len(want) > 1 && want[len(want)-1].at-want[0].at > apart*todoke.Offset(len(want))
}

// fetchEach fills in what it gets of messages that are known by their offsets.
func (e *Engine) fetchEach(ctx context.Context, epoch string, want []entry, have []*todoke.Message) error {
	index := make(map[todoke.Offset]int, len(want))
	for i, n := range want {
		index[n.at] = i
	}
	err := e.getter.each(ctx, want, func(s stored) {
		if i, ok := index[s.seq]; ok {
			have[i], _ = e.message(s, epoch)
		}
	})
	if err != nil && notLed(err) {
		return nil // what is missing is asked for again
	}
	return err
}

// index returns the channel's index, made from the store if there is none, and then some of its messages, since they have come anyway.
func (e *Engine) index(ctx context.Context, channel string) (x *index, fresh map[todoke.Offset]*todoke.Message, err error) {
	c, err := e.classOf(ctx, channel)
	if err != nil {
		return nil, nil, err
	}
	v := &e.view
	for {
		v.mu.Lock()
		x = v.indexes.find(channel)
		if x == nil {
			x = v.indexes.begin(channel, c)
			head, epoch := v.ring.head(), v.epoch
			v.mu.Unlock()
			fresh, err := e.makeIndex(ctx, x, head, epoch)
			return x, fresh, err
		}
		built := x.built
		v.mu.Unlock()
		if built {
			return x, nil, nil
		}
		select {
		case <-x.ready: // or given up: then it is tried anew
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// makeIndex reads what the store has of a channel up to head; what comes after it, follow adds.
func (e *Engine) makeIndex(ctx context.Context, x *index, head todoke.Offset, epoch string) (map[todoke.Offset]*todoke.Message, error) {
	v := &e.view
	found, fresh, err := e.scanChannel(ctx, x, head, epoch)
	var floor todoke.Offset
	if err == nil {
		floor, err = e.horizon(ctx) // after the scan: what was deleted meanwhile counts
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil && v.indexes.byChannel[x.channel] != x {
		err = errMoved
	}
	if err != nil {
		v.indexes.drop(x)
		return nil, err
	}
	v.indexes.finish(x, found, floor)
	return fresh, nil
}

// Bounds of what a scan keeps of the messages that it sees.
const (
	freshMessages = 1024
	freshBytes    = 1 << 20
)

// scanChannel reads the entries of a channel up to head, as far back as the retention can reach.
func (e *Engine) scanChannel(ctx context.Context, x *index, head todoke.Offset, epoch string) (found []entry, fresh map[todoke.Offset]*todoke.Message, err error) {
	subject := subjectOf(e.o.Prefix, x.channel)
	var newest todoke.Offset
	if e.replicas() > 1 {
		if newest, err = e.getter.newest(ctx, subject, epochSubject(e.o.Prefix), head); err != nil || newest == 0 {
			return nil, nil, err
		}
		newest = min(newest, head)
	}
	from, err := e.reachBack(ctx, subject, head, max(x.class.limits.Messages, 1)+1)
	if err != nil {
		return nil, nil, err
	}
	fresh = make(map[todoke.Offset]*todoke.Message)
	bytes := 0
	through := todoke.Offset(0)
	for wait := time.Duration(0); from <= head; {
		before := through
		pending, err := e.getter.batch(ctx, subject, from, getMessages, func(s stored) {
			through = s.seq
			m, ok := e.message(s, epoch)
			if !ok || s.seq > head {
				return
			}
			found = append(found, entryOf(m))
			if bytes += len(m.Data); bytes < freshBytes && len(fresh) < freshMessages {
				fresh[s.seq] = m
			}
		})
		switch {
		case err != nil && !errors.Is(err, errNotFound) && !notLed(err):
			return nil, nil, err
		case (err == nil && pending == 0 || errors.Is(err, errNotFound)) && through >= newest:
			return found, fresh, nil
		case through == before: // the replica lags
			if err := pause(ctx, wait); err != nil {
				return nil, nil, err
			}
			wait = min(2*wait+time.Millisecond, 50*time.Millisecond)
		}
		from = max(from, through+1)
	}
	return found, fresh, nil
}

// reachBack returns an offset from which on a subject has at least need messages, and not many more, or 1. It asks copies that may lag, which
// have less: so it is never too late.
func (e *Engine) reachBack(ctx context.Context, subject string, head todoke.Offset, need int) (todoke.Offset, error) {
	count := func(from todoke.Offset) (first todoke.Offset, n int, err error) {
		pending, err := e.getter.batch(ctx, subject, from, 1, func(s stored) { first = s.seq })
		if errors.Is(err, errNotFound) || notLed(err) {
			return 0, 0, nil
		}
		return first, int(pending) + 1, err
	}
	lo, n, err := count(1)
	if err != nil || n <= need+getMessages {
		return 1, err
	}
	hi := head + 1
	for n > need+getMessages && hi-lo > 1 {
		middle := lo + (hi-lo)/2
		first, left, err := count(middle)
		if err != nil {
			return 0, err
		}
		if left >= need {
			lo, n = max(first, middle), left
		} else {
			hi = middle
		}
	}
	return lo, nil
}

// clockSkew is by how much the clocks of the servers of a stream may differ.
const clockSkew = 5 * time.Second

// horizon returns the offset up to which the stream may have deleted messages, other than those of a channel that has newer ones.
func (e *Engine) horizon(ctx context.Context) (todoke.Offset, error) {
	info, err := e.info(ctx)
	if err != nil {
		return 0, err
	}
	horizon := todoke.Offset(max(info.State.FirstSeq, 1)) - 1
	age := info.Config.MaxAge - clockSkew
	if e.replicas() == 1 || age <= 0 || info.State.Msgs == 0 || info.TimeStamp.Sub(info.State.FirstTime) < age {
		return horizon, nil
	}
	// Each replica deletes by its own clock: what is about to go may be gone from the one that was read.
	s, err := e.getter.since(ctx, ">", info.TimeStamp.Add(-age))
	if err != nil {
		return 0, err
	}
	return max(horizon, s.seq-1), nil
}
