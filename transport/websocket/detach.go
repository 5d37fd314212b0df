package websocket

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

// detachable reports whether the pool may serve the connection of r.
func (h *Handler) detachable(r *http.Request) bool { return h.o.Pool != nil && evented.Detachable(r) }

// detach answers a request that passed checkHandshake and gives its connection to the pool, at whose turn start is called with what the
// client has sent already; sub is the first subscription. It returns nil when that is done, and with an error when the connection is
// lost. If the pool cannot have the connection, it returns a ResponseWriter for accept, which then answers nothing any more.
func (h *Handler) detach(w http.ResponseWriter, r *http.Request, l *evented.Link, sub *todoke.Subscription, start func(early []byte)) (http.ResponseWriter, error) {
	stays, err := h.leave(w, r, l, sub, start)
	if err != nil {
		h.o.Logger.DebugContext(r.Context(), "a WebSocket was lost before its first frame", "error", err)
	}
	return stays, err
}

func (h *Handler) leave(w http.ResponseWriter, r *http.Request, l *evented.Link, sub *todoke.Subscription, start func(early []byte)) (http.ResponseWriter, error) {
	header := w.Header()
	header.Set("Upgrade", "websocket")
	header.Set("Connection", "Upgrade")
	header.Set("Sec-WebSocket-Accept", acceptKey(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key"))))
	u := &upgrade{ResponseWriter: w}
	u.WriteHeader(http.StatusSwitchingProtocols)
	u.WriteHeaderNow()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if rw == nil || rw.Reader == nil || rw.Writer == nil {
		return nil, errors.Join(errNoBuffers, conn.Close())
	}
	early, err := rw.Peek(rw.Reader.Buffered())
	if err = errors.Join(err, rw.Flush()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	early = bytes.Clone(early)
	err = h.o.Pool.Attach(l, conn, sub, func() { start(early) })
	if errors.Is(err, errors.ErrUnsupported) { // a middleware has put a connection of its own in front
		return &hijacked{header: http.Header{}, conn: conn, rw: rw}, nil
	}
	return nil, err
}

var errNoBuffers = errors.New("hijacked without buffers")

// acceptKey answers a client's key (RFC 6455 §4.2.2): it shows that we speak WebSocket, and is no secret.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// A hijacked is the ResponseWriter of a connection that was hijacked when its handshake was answered.
type hijacked struct {
	header http.Header
	conn   net.Conn
	rw     *bufio.ReadWriter
}

var _ http.Hijacker = (*hijacked)(nil)

// Header implements http.ResponseWriter; nobody reads it.
func (w *hijacked) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter: the status was sent.
func (w *hijacked) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (w *hijacked) Write([]byte) (int, error) { return 0, http.ErrHijacked }

// Hijack implements http.Hijacker.
func (w *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.conn, w.rw, nil }
