package redis

import (
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

const (
	sweepBatch  = 128
	sweepEvery  = time.Second            // at least so often, also to tell the seat's holder how far the log is
	sweepPause  = 100 * time.Millisecond // at most so often
	inspectEach = 30 * time.Second       // how often the server's configuration is looked at
)

// sweep has Redis let go of what has expired in channels that nobody touches. Every node does it; there is nothing to agree on. It
// also notices when the server's configuration is changed. What fails is tried again: the calls that need Redis tell.
func (e *Engine) sweep(client rueidis.Client) {
	timer := time.NewTimer(sweepPause)
	defer timer.Stop()
	inspected := time.Now()
	ahead := time.Duration(0) // of the server's clock before ours
	for {
		select {
		case <-timer.C:
		case <-e.ctx.Done():
			return
		}
		if time.Since(inspected) > inspectEach {
			inspected = time.Now()
			e.reinspect(client)
		}
		wait, off, err := e.sweepOnce(client, time.Now().Add(ahead))
		if err == nil {
			ahead = off
		}
		timer.Reset(wait)
	}
}

// reinspect opens the server again when its configuration was changed, so that what a restart proves is known.
func (e *Engine) reinspect(client rueidis.Client) {
	f, err := inspect(e.ctx, client)
	if err != nil {
		return
	}
	e.mu.Lock()
	synced, opened := e.facts.synced(), e.opened
	e.notice(f)
	e.mu.Unlock()
	if f.synced() != synced {
		_ = e.open(e.ctx, client, opened)
	}
}

// sweepOnce looks after the channels that are due by now, and returns when to come again.
func (e *Engine) sweepOnce(client rueidis.Client, now time.Time) (wait, ahead time.Duration, err error) {
	due := client.B().Zrange().Key(e.key("due")).Min("-inf").Max(strconv.FormatInt(now.UnixMicro(), 10)).Byscore().Limit(0, sweepBatch).Build()
	channels, err := client.Do(e.ctx, due).AsStrSlice()
	if err != nil {
		return sweepEvery, 0, err
	}
	kinds := newKinds(e.retention)
	var numbered []string
	for _, channel := range channels {
		numbered = append(numbered, channel, strconv.Itoa(kinds.number(channel)))
	}
	args := append(kinds.appendTo(nil), numbered...)
	answer, err := client.Do(e.ctx, e.lib.call(client, "sweep", e.key("meta"), args...)).AsIntSlice()
	if err != nil {
		return sweepEvery, 0, err
	}
	if len(answer) != 2 {
		return sweepEvery, 0, errMalformed
	}
	ahead = time.Until(time.UnixMicro(answer[0]))
	wait = sweepEvery
	if answer[1] > 0 {
		wait = min(max(time.Duration(answer[1]-answer[0])*time.Microsecond, sweepPause), sweepEvery)
	}
	if len(channels) == sweepBatch {
		wait = time.Millisecond
	}
	return wait, ahead, nil
}
