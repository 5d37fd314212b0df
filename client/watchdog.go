package client

import (
	"context"
	"errors"
	"time"
)

// errIdle ends a link that brought nothing for Options.IdleTimeout, not even a keep-alive: the other side, or the
// way there, is gone without a word.
var errIdle = errors.New("nothing came for too long, not even a keep-alive")

// A watchdog cancels a link's context when it was armed and is not fed in time. While nobody reads it is not armed, for
// then silence is our own.
type watchdog struct {
	timeout time.Duration
	timer   *time.Timer
	cancel  context.CancelCauseFunc
}

// newWatchdog returns an armed one.
func newWatchdog(timeout time.Duration, cancel context.CancelCauseFunc) *watchdog {
	return &watchdog{timeout, time.AfterFunc(timeout, func() { cancel(errIdle) }), cancel}
}

func (w *watchdog) feed()   { w.timer.Reset(w.timeout) }
func (w *watchdog) disarm() { w.timer.Stop() }

// during arms the watchdog and lets ctx cancel the link; the caller calls release when it has stopped reading. release waits
// for nothing, and a ctx that ended before it leaves the link cancelled.
func (w *watchdog) during(ctx context.Context) (release func()) {
	w.feed()
	if ctx.Done() == nil {
		return w.disarm
	}
	stop := context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })
	return func() {
		stop()
		w.disarm()
	}
}
