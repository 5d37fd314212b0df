//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
)

// request makes the http.Request that net/http would.
func (m *message) request(c *conn) *http.Request {
	r := &http.Request{
		Method: m.method, URL: m.url, RequestURI: m.target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Host: m.host, ContentLength: int64(len(m.body)),
		RemoteAddr: c.from.String(), Close: m.close, Body: http.NoBody,
	}
	return r
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
func (j job) serve(w *response) {
	c := j.c
	defer c.f.begin(-1)
	ctx, cancel := context.WithCancel(c.f.o.Context)
	c.cancel.Store(&cancel)
	w.reset(c, j.r.WithContext(ctx), j.close)
	failed := w.call()
	c.cancel.Store(nil)
	if w.hijacked {
		cancel()
		return
	}
	keep := !failed && w.finish()
	cancel()
	c.asked = true
	if !keep || c.state.Load() == gone {
		c.close()
		return
	}
	if len(c.partial) > 0 {
		if p := c.partial; !c.consume(p, nil) {
			return
		}
	}
	c.release()
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
