//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// request makes the http.Request that net/http would.
func (m *message) request(c *conn) *http.Request {
	return &http.Request{
		Method: m.method, URL: m.url, RequestURI: m.target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Host: m.host, ContentLength: int64(m.length),
		RemoteAddr: c.from.String(), Close: m.close, Body: http.NoBody,
	}
}

type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

func bodyOf(p []byte) io.ReadCloser {
	if len(p) == 0 {
		return http.NoBody
	}
	b := new(body)
	b.Reset(p)
	return b
}

// A job is one request to be answered.
type job struct {
	c     *conn
	r     *http.Request
	close bool
}

// serve answers the request, and those that came right behind it.
func (j job) serve(s *scratch) {
	c := j.c
	o := lost
	defer func() {
		if o == lost { // or a handler has ended the goroutine
			c.close()
		}
	}()
	for {
		if o = j.answer(s, false); o != kept {
			return
		}
		if len(c.partial) == 0 {
			break
		}
		p := c.partial
		o = lost
		if j, o = c.next(p, true); o != ready {
			break
		}
		o = lost
	}
	if o == strange {
		c.handOver()
	} else {
		c.release()
	}
}

// answer answers one request. inline says that the caller has to go on at once.
func (j job) answer(s *scratch, inline bool) outcome {
	c := j.c
	defer c.f.begin(-1)
	ctx, cancel := context.WithCancel(c.f.o.Context)
	defer cancel()
	c.cancel.Store(&cancel)
	if c.f.stopped.Load() || c.state.Load() == stirred && reactor.Ended(c.fd) {
		cancel() // who said so came before there was anything to cancel
	}
	w := newResponse(c, j.r.WithContext(ctx), s)
	w.close, w.inline = j.close, inline
	if !inline && !c.watched {
		late := time.AfterFunc(watchAfter, w.watchLate)
		defer late.Stop()
	}
	done := false
	defer func() { // also where the handler has ended the goroutine
		c.cancel.Store(nil)
		w.retire(done, s)
	}()
	failed := w.call()
	done = true
	if w.hijacked {
		return taken
	}
	c.asked = true
	if j.r.Method == http.MethodPost {
		c.breaks = 4
	}
	if failed || !w.finish() || c.f.closing.Load() {
		return lost
	}
	return kept
}

// call runs the handler. A panic ends the connection, as net/http has it.
func (w *response) call() (failed bool) {
	defer func() {
		p := recover()
		if failed = p != nil; !failed || p == http.ErrAbortHandler {
			return
		}
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		w.c.f.o.Logger.Error("a handler panicked", slog.Any("panic", p), slog.String("stack", string(stack)))
	}()
	w.c.f.o.Handler.ServeHTTP(w, w.r)
	return false
}
