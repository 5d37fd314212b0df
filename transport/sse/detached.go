package sse

import (
	"context"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

// A detached is a stream that has left net/http. What it sends stands in the chunks of HTTP/1.1 that the opening began.
type detached struct {
	evented.Link
	chase  evented.Chase
	active uint32 // when something was sent: the link's clock
	h      *Handler
	sub    *todoke.Subscription
	format todoke.Format
}

var (
	_ evented.Transport = (*detached)(nil)
	_ todoke.Reader     = (*detached)(nil)
)

// detach moves a stream that was opened over to the pool, which closes sub in the end. False: it stays where it is.
func (h *Handler) detach(w http.ResponseWriter, r *http.Request, sub *todoke.Subscription, format todoke.Format) bool {
	if h.o.Pool == nil || !evented.Detachable(r) || w.Header().Get("Content-Encoding") != "" {
		return false // what a middleware compresses has to go on through it
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	d := &detached{h: h, sub: sub, format: chunkedOf(format)}
	d.Begin(d)
	if err := h.o.Pool.Attach(&d.Link, conn, sub, d.start); err != nil {
		h.o.Logger.WarnContext(r.Context(), "a stream was cut; its client resumes", "error", err)
		conn.Close()
		sub.Close()
	}
	return true
}

// start is the first turn.
func (d *detached) start() {
	d.active = d.Now()
	d.SetTick(d.h.o.KeepAlive)
	d.Follow(d.sub, d)
	d.Ready()
}

// Ready implements todoke.Reader.
func (d *detached) Ready() {
	if d.Pump(d.sub, d.format, &d.chase) {
		d.active = d.Now()
	}
}

// Resume implements evented.Transport.
func (d *detached) Resume() { d.Ready() }

// Input implements evented.Transport: there is nothing to say.
func (d *detached) Input([]byte) {}

// Tick implements evented.Transport: a stream that was idle tells its position.
func (d *detached) Tick() time.Duration {
	idle := time.Duration(d.Now()-d.active) * time.Millisecond
	if idle < d.h.o.KeepAlive {
		return d.h.o.KeepAlive - idle
	}
	d.active = d.Now()
	if !d.chase.Running() {
		d.Send(appendChunk(nil, appendKeepAlive(nil, d.sub.Position())))
	}
	return d.h.o.KeepAlive
}

// Ended implements evented.Transport.
func (d *detached) Ended(_ *todoke.Subscription, err error) {
	d.Finish(append(appendChunk(nil, d.h.lastWords(context.Background(), err)), lastChunk...))
}

// Closed implements evented.Transport.
func (d *detached) Closed(error) { d.chase.Close(d.sub) }
