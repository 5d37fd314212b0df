//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// keptBytes is how large a response's buffers may be to be used again, and how much is gathered before it is sent.
const keptBytes = 64 << 10

// A scratch is what one response after the other is gathered in.
type scratch struct{ body, out []byte }

// A response is the http.ResponseWriter of one request. What is written is gathered, and sent in one go with its head, unless the handler
// flushes or writes much. It is not used for another request: a handler may have left it to a goroutine, which must not reach another client.
type response struct {
	c        *conn
	r        *http.Request
	header   http.Header
	status   int    // 0: not decided
	out      []byte // what is sent next, of the head what is decided
	body     []byte // gathered
	deadline time.Time
	declared int64 // the length that the handler has told; -1: none
	written  int64
	close    bool // afterwards
	typed    bool // there is a Content-Type, or there shall be none
	dated    bool // … a Date
	sent     bool // the head was
	chunked  bool // the body is
	inline   bool // nothing may be waited for
	hijacked bool
	failed   error

	connection []string // the handler's header of that name

	over atomic.Bool // the handler has returned
	mu   sync.Mutex  // guards the conn's being watched, against watchLate
}

func newResponse(c *conn, r *http.Request, s *scratch) *response {
	w := &response{c: c, r: r, header: make(http.Header), body: s.body[:0], out: s.out[:0], declared: -1}
	s.body, s.out = nil, nil
	return w
}

// retire ends the response, and gives its buffers back if nobody else can have them.
func (w *response) retire(returned bool, s *scratch) {
	w.mu.Lock()
	w.over.Store(true)
	w.mu.Unlock()
	if returned {
		s.body, s.out = reusable(w.body), reusable(w.out)
		w.body, w.out = nil, nil
	}
}

func reusable(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. What stands in the header now is what is sent.
func (w *response) WriteHeader(status int) {
	if w.over.Load() || w.hijacked || w.status != 0 {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // as net/http has it
	}
	if status < 200 && status != http.StatusSwitchingProtocols { // an early answer
		w.out = append(w.appendFields(appendStatus(w.out[:0], status)), "\r\n"...)
		_ = w.send()
		w.typed, w.dated, w.connection = false, false, nil
		return
	}
	w.status = status
	if text := w.header.Get("Content-Length"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			w.declared = n
		}
	}
	w.out = w.appendFields(appendStatus(w.out[:0], status))
	if w.header.Get("Connection") == "close" {
		w.close = true
	}
}

var errOver = errors.New("the handler has returned: its answer is complete")

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	switch {
	case w.over.Load():
		return 0, errOver
	case w.hijacked:
		return 0, http.ErrHijacked
	case w.status == 0:
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.failed != nil:
		return 0, w.failed
	}
	if w.written += int64(len(p)); w.declared >= 0 && w.written > w.declared {
		return 0, http.ErrContentLength
	}
	w.body = append(w.body, p...)
	if len(w.body) >= keptBytes && !w.inline {
		if err := w.FlushError(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what there is. A body whose length was not told is in chunks from then on (RFC 9112 §7.1).
func (w *response) FlushError() error {
	switch {
	case w.over.Load():
		return errOver
	case w.hijacked:
		return http.ErrHijacked
	case w.status == 0:
		w.WriteHeader(http.StatusOK)
	}
	if !w.sent {
		w.endHead(false)
	}
	w.gather()
	return w.send()
}

// gather moves the body to what is sent.
func (w *response) gather() {
	if len(w.body) > 0 && w.chunked {
		w.out = strconv.AppendInt(w.out, int64(len(w.body)), 16)
		w.out = append(w.out, '\r', '\n')
		w.out = append(w.out, w.body...)
		w.out = append(w.out, '\r', '\n')
	} else {
		w.out = append(w.out, w.body...)
	}
	w.body = w.body[:0]
}

// finish sends what is left, and reports whether the connection can be used again.
func (w *response) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.sent {
		w.endHead(true)
	}
	w.gather()
	if w.chunked {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	short := w.declared >= 0 && w.declared != w.written && bodyAllowed(w.status) // the client waits for more
	return w.send() == nil && !w.close && !short && w.status != http.StatusSwitchingProtocols
}

// SetReadDeadline is for http.ResponseController. The request is here already.
func (w *response) SetReadDeadline(time.Time) error { return nil }

// EnableFullDuplex is for http.ResponseController. It always is.
func (w *response) EnableFullDuplex() error { return nil }

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// Hijack implements http.Hijacker. The connection is a Hijacked.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case w.over.Load():
		return nil, nil, errOver
	case w.hijacked:
		return nil, nil, http.ErrHijacked
	case w.inline:
		return nil, nil, http.ErrNotSupported
	case w.sent && len(w.body) > 0:
		_ = w.FlushError()
	case !w.sent && w.status != 0:
		w.endHead(false)
		_ = w.send()
	}
	if w.failed != nil {
		return nil, nil, w.failed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	fd, err := w.c.unwatch()
	if err != nil {
		w.failed = err
		return nil, nil, err
	}
	w.hijacked = true
	conn := &Hijacked{fd: fd, remote: net.TCPAddrFromAddrPort(w.c.from)}
	// All that has come is in the reader's buffer: there are those who take that and go on with the connection.
	early := w.c.partial
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), conn), max(4096, len(early)))
	if len(early) > 0 {
		_, _ = reader.Peek(len(early))
	}
	return conn, bufio.NewReadWriter(reader, bufio.NewWriter(conn)), nil
}

var errDetached = errors.New("the connection was detached")
