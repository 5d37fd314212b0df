package evented

import "time"

// events is a Link as the reactor sees it.
type events Link

// Readable implements reactor.Handler.
func (e *events) Readable() { (*Link)(e).readAll() }

// Writable implements reactor.Handler: what was cut is sent first.
func (e *events) Writable() {
	l := (*Link)(e)
	if !l.is(blocked) || l.is(closed) {
		return
	}
	sent, err := l.conn.Send(l.out)
	if err != nil {
		l.close(peerError(err))
		return
	}
	if sent > 0 || len(l.out) == 0 {
		l.since = l.Now()
	}
	if sent < len(l.out) {
		l.out = append([]byte(nil), l.out[sent:]...)
		return
	}
	l.out = nil
	l.state &^= blocked
	if l.is(leaving) {
		l.leave()
		return
	}
	e.tick()
	if !l.Blocked() {
		l.transport.Resume()
	}
}

// Expired implements reactor.Handler.
func (e *events) Expired() {
	l := (*Link)(e)
	switch {
	case l.is(left):
		l.close(nil)
	case l.is(blocked):
		e.stuck()
	default:
		e.tick()
	}
}

// tick sets the next one, unless the transport's own sending has blocked the link.
func (e *events) tick() {
	if next := e.transport.Tick(); !(*Link)(e).Blocked() && next > 0 {
		e.conn.SetTimer(next)
	}
}

// stuck tries again, and cuts a peer that has taken nothing for too long.
func (e *events) stuck() {
	l := (*Link)(e)
	limit := l.worker.pool.o.WriteTimeout
	e.Writable()
	if !l.is(blocked) || l.is(closed) {
		return
	}
	waited := time.Duration(l.Now()-l.since) * time.Millisecond
	if waited >= limit {
		l.close(ErrPeerStuck)
		return
	}
	l.conn.SetTimer(min(limit-waited, retry))
}

// Stopped implements reactor.Handler.
func (e *events) Stopped() { (*Link)(e).close(ErrPoolClosed) }
