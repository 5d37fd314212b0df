//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// keptBytes is how large a response's buffers may be to be used again.
const keptBytes = 64 << 10

// A response is the http.ResponseWriter of one request at a time. What is written is gathered, and sent in one go with its head,
// unless the handler flushes.
type response struct {
	c        *conn
	r        *http.Request
	header   http.Header
	status   int
	body     []byte
	out      []byte
	deadline time.Time
	close    bool
	chunked  bool // the head was sent
	hijacked bool
	inline   bool // nothing may be waited for
	failed   error
}

func newResponse() *response { return &response{header: make(http.Header, 12)} }

func (w *response) reset(c *conn, r *http.Request, close bool) {
	clear(w.header)
	*w = response{c: c, r: r, header: w.header, body: kept(w.body), out: kept(w.out), close: close, inline: w.inline}
}

func kept(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Early answers (1xx) are for those who ask for them, who are net/http's.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.body = append(w.body, p...)
	if w.chunked && len(w.body) >= keptBytes {
		return len(p), w.FlushError()
	}
	return len(p), w.failed
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what there is; the body is in chunks from then on (RFC 9112 §7.1).
func (w *response) FlushError() error {
	if w.hijacked {
		return http.ErrHijacked
	}
	if !w.chunked {
		if w.status == 0 {
			w.status = http.StatusOK
		}
		w.chunked = true
		w.out = w.appendHead(w.out[:0], -1)
	}
	if len(w.body) > 0 && bodyAllowed(w.status) {
		w.out = strconv.AppendInt(w.out, int64(len(w.body)), 16)
		w.out = append(w.out, '\r', '\n')
		w.out = append(w.out, w.body...)
		w.out = append(w.out, '\r', '\n')
	}
	w.body = w.body[:0]
	return w.send()
}

// finish sends what is left, and reports whether the connection can be used again.
func (w *response) finish() bool {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.chunked {
		if len(w.body) > 0 {
			_ = w.FlushError()
		}
		if bodyAllowed(w.status) {
			w.out = append(w.out, "0\r\n\r\n"...)
		}
	} else {
		w.out = w.appendHead(w.out[:0], len(w.body))
		w.out = append(w.out, w.body...)
	}
	return w.send() == nil && !w.close
}

// appendHead appends the status line and the headers; length -1 is a body in chunks.
func (w *response) appendHead(dst []byte, length int) []byte {
	if w.c.f.closing.Load() || strings.EqualFold(w.header.Get("Connection"), "close") {
		w.close = true
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(w.status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(w.status)...)
	dst = append(dst, "\r\n"...)
	if _, given := w.header["Content-Type"]; !given && length > 0 {
		dst = appendField(dst, "Content-Type", http.DetectContentType(w.body))
	}
	for name, values := range w.header {
		if name == "Content-Length" || name == "Transfer-Encoding" || name == "Connection" && w.close {
			continue // what they say is decided here
		}
		for _, value := range values {
			dst = appendField(dst, name, value)
		}
	}
	if _, given := w.header["Date"]; !given {
		dst = appendField(dst, "Date", date())
	}
	switch {
	case !bodyAllowed(w.status):
	case length < 0:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	default:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(length), 10)
		dst = append(dst, "\r\n"...)
	}
	if w.close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// breaks are what would end a field too early.
var breaks = strings.NewReplacer("\r", " ", "\n", " ")

func appendField(dst []byte, name, value string) []byte {
	if !isToken(name) {
		return dst // as net/http has it
	}
	if strings.ContainsAny(value, "\r\n") {
		value = breaks.Replace(value)
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

type second struct {
	unix int64
	text string
}

var lastSecond atomic.Pointer[second] // what Date says; made once a second

func date() string {
	now := time.Now()
	if last := lastSecond.Load(); last != nil && last.unix == now.Unix() {
		return last.text
	}
	text := now.UTC().Format(http.TimeFormat)
	lastSecond.Store(&second{now.Unix(), text})
	return text
}

// send writes out, waiting for room where there is none.
func (w *response) send() error {
	if w.failed != nil {
		return w.failed
	}
	p := w.out
	for {
		n, err := reactor.Send(w.c.fd, p)
		if err != nil {
			w.failed = err
			break
		}
		if p = p[n:]; len(p) == 0 {
			break
		}
		if w.failed = w.waitForRoom(); w.failed != nil {
			break
		}
	}
	w.out = w.out[:0]
	return w.failed
}

// sendTimeout is how long a client may take nothing, where the handler has set no deadline.
const sendTimeout = 30 * time.Second

func (w *response) waitForRoom() error {
	c := w.c
	if w.inline {
		return errFull
	}
	if c.room.Load() == nil {
		room := make(chan struct{}, 1)
		c.room.Store(&room)
		if !c.watched {
			if err := w.watch(); err != nil {
				return err
			}
		}
		return nil // look again: room may have come before anybody waited for it
	}
	wait := sendTimeout
	if !w.deadline.IsZero() {
		wait = time.Until(w.deadline)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-*c.room.Load():
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	case <-w.r.Context().Done():
		return w.r.Context().Err()
	}
}

// watch has the reactor tell of the connection while the handler runs.
func (w *response) watch() error {
	c := w.c
	failed := make(chan error, 1)
	if !c.f.worker.Do(func() { failed <- c.f.worker.Add(&c.Conn, c.fd, c) }) {
		return http.ErrServerClosed
	}
	if err := <-failed; err != nil {
		return err
	}
	c.watched = true
	return nil
}

// SetReadDeadline is for http.ResponseController. The request is here already.
func (w *response) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// Hijack implements http.Hijacker. The connection is a Hijacked.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if w.inline {
		return nil, nil, http.ErrNotSupported
	}
	if w.chunked && len(w.body) > 0 {
		_ = w.FlushError()
	} else if !w.chunked && w.status != 0 {
		w.out = w.appendHead(w.out[:0], -1)
		_ = w.send()
	}
	if w.failed != nil {
		return nil, nil, w.failed
	}
	fd, err := w.c.unwatch()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked = true
	conn := &Hijacked{fd: fd, remote: net.TCPAddrFromAddrPort(w.c.from)}
	reader := bufio.NewReaderSize(io.MultiReader(strings.NewReader(string(w.c.partial)), conn), 4096)
	if len(w.c.partial) > 0 {
		_, _ = reader.Peek(min(len(w.c.partial), 4096)) // so that Buffered tells of it
	}
	return conn, bufio.NewReadWriter(reader, bufio.NewWriter(conn)), nil
}

var errFull = errors.New("the client takes no answers")

var errDetached = errors.New("the connection was detached")
