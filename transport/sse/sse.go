// Package sse sends what a subscription reads as Server-Sent Events (WHATWG HTML §9.2), over HTTP/1.1 and HTTP/2. There are two
// kinds of link, which clients cannot tell apart: a stream is the goroutine of its request (link.go), or, over plain TCP and where
// Options.Pool is set, it leaves net/http after its opening and is served by the pool (detached.go).
//
// The reader's position travels in id: lines. A stream opens with one, in an event todoke.position, so that a client that is cut before its
// first message knows where it was; every message has one, and so has the keep-alive of an idle stream. An EventSource
// sends the last one back by itself (Last-Event-ID), on whichever server it reconnects to.
//
// A stream holds no queue. What a slow client has not taken lies in the log, not here: it lags, is caught up as the
// namespace says, or gets a gap. One that takes nothing for Options.WriteTimeout is cut, and resumes.
//
// When the hub drains, a stream sends retry: with its share of the spread and ends. One that is opened then gets the same
// instead of an error: an EventSource that is answered with an error status never comes back (§9.2.3).
//
// A stream does not end by itself. It ends when the client goes, the request's context ends, or the hub drains or is closed. The handler of a
// stream that left net/http has returned, and with it its context has ended: the stream goes on, until the pool is closed.
package sse

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
)

// Defaults of Options.
const (
	DefaultKeepAlive    = 15 * time.Second
	DefaultWriteTimeout = 10 * time.Second
	DefaultRetry        = 2 * time.Second
)

// Options of a Handler. The zero value works.
type Options struct {
	// KeepAlive is how long a stream may be idle before it sends a comment and its position. 0: 15 s.
	KeepAlive time.Duration
	// WriteTimeout is how long a client may take for 64 KiB, or for less where less is to be written. 0: 10 s.
	WriteTimeout time.Duration
	// Retry is about how long a client waits before it reconnects; each is told between half of it and one and a half, so
	// that they do not all come back at once. 0: 2 s.
	Retry time.Duration
	// Pool serves the streams over plain TCP and HTTP/1.1 without a goroutine for each. Nil: each is the goroutine of its request.
	Pool *evented.Pool
	// Logger gets faults that clients are not told the cause of. Nil: slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.KeepAlive <= 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Retry <= 0 {
		o.Retry = DefaultRetry
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// A Handler serves streams of one hub to clients from outside: it asks the hub's gate.
type Handler struct {
	hub *todoke.Hub
	o   Options
}

// NewHandler returns a Handler of the hub.
func NewHandler(hub *todoke.Hub, o Options) *Handler { return &Handler{hub: hub, o: o.withDefaults()} }

// ServeRead answers r with a stream of what read asks for, and returns when it has ended; to HEAD with its headers. What is wrong before the
// stream begins is answered with a problem document.
func (h *Handler) ServeRead(w http.ResponseWriter, r *http.Request, read request.Read) {
	h.serve(w, r, read, h.hub.Gate())
}

// Serve answers r with a stream of channels that the caller has chosen: nobody is asked for permission, because the caller
// has decided. since, Last-Event-ID and format are the client's. It returns when the stream has ended.
func Serve(w http.ResponseWriter, r *http.Request, hub *todoke.Hub, channels ...string) {
	h := NewHandler(hub, Options{})
	read, err := parse(w, r, append([]string{}, channels...)) // not nil: the client has no choice
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.serve(w, r, read, hub)
}

func parse(w http.ResponseWriter, r *http.Request, channels []string) (request.Read, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return request.Read{}, &todoke.Error{Code: todoke.CodeMethodNotAllowed, Hint: "a stream is opened with GET"}
	}
	if _, err := request.Accept(r, request.EventStream); err != nil {
		return request.Read{}, err
	}
	return request.ParseRead(r, channels)
}

// subscriber is the hub or its gate.
type subscriber interface {
	Subscribe(ctx context.Context, channels []string, since todoke.Since) (*todoke.Subscription, error)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, read request.Read, from subscriber) {
	if !canFlush(w) {
		h.refuse(w, r, errNoFlush)
		return
	}
	sub, err := from.Subscribe(r.Context(), read.Channels, read.Since)
	switch {
	case errors.Is(err, todoke.CodeRestarting):
		h.sendAway(w, r, read, err)
		return
	case err != nil:
		h.refuse(w, r, err)
		return
	}
	setHeaders(w, r)
	if r.Method == http.MethodHead {
		sub.Close()
		return
	}
	l := h.newLink(w)
	if l.open(sub) == nil {
		if h.detach(w, r, sub, formatOf(read)) {
			return
		}
		l.run(r.Context(), sub, formatOf(read))
	}
	sub.Close()
}

// sendAway answers a client that came while the hub drains. Where it would have begun at "now", it gets that position, and misses
// nothing until it is back.
func (h *Handler) sendAway(w http.ResponseWriter, r *http.Request, read request.Read, err error) {
	setHeaders(w, r)
	if r.Method == http.MethodHead {
		return
	}
	var text []byte
	if read.Since.IsZero() || read.Since == todoke.Now() {
		text = appendPosition(text, h.hub.Head())
	}
	_ = h.newLink(w).write(appendRetry(text, todoke.AsError(err).RetryAfter))
}

// setHeaders sets what a stream needs to pass through caches and proxies.
func setHeaders(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", request.EventStream)
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Accel-Buffering", "no") // nginx would gather the events
	header.Add("Vary", "Accept")
	if r.ProtoMajor == 1 && r.ProtoMinor > 0 { // RFC 9113 §8.2.2: not in HTTP/2; and HTTP/1.0 tells the end by closing
		header.Set("Connection", "keep-alive")
	}
	header.Del("Content-Length")
}

// refuse answers with a problem document, and logs what it does not tell.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	h.log(r.Context(), err)
	problem.Write(w, r, err)
}

// log tells the operator of faults; a client's mistakes are no matter of theirs.
func (h *Handler) log(ctx context.Context, err error) {
	switch todoke.AsError(err).Code {
	case todoke.CodeInternal, todoke.CodeUnavailable:
		h.o.Logger.ErrorContext(ctx, "a stream failed", "error", err)
	}
}

var errNoFlush = errors.New("the ResponseWriter cannot flush; a middleware in front hides http.Flusher and has no Unwrap")

// canFlush looks through wrapped writers as http.ResponseController does, which can only tell after the status was sent.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
