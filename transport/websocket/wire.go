package websocket

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// corkBytes is how much is gathered before it is written, and so what a reader with a backlog gets in one write.
	corkBytes = 32 << 10
	// chunkBytes is what a peer must take within one WriteTimeout: a large message over a slow line is no reason to
	// cut it, taking nothing is.
	chunkBytes = 64 << 10
	// lingerBytes bounds what is read and thrown away of a peer that was told to go.
	lingerBytes = 8 << 20
)

// A wire is the net.Conn below the library. The library flushes after each frame; between cork and uncork a wire gathers the
// frames into one write. Each physical write has a deadline of its own.
type wire struct {
	net.Conn
	timeout time.Duration
	heard   atomic.Bool // something was read since the last time somebody asked
	linger  atomic.Bool // Close first waits for the peer's end, until the read deadline

	mu      sync.Mutex // one physical write at a time; guards what follows
	corked  bool
	pending *[]byte // gathered; from gatherers, nil when there is nothing
	failed  error   // after a failed write the frames' boundaries are lost
}

// gatherers are buffers of corkBytes; a wire has one only while it is corked.
var gatherers = sync.Pool{New: func() any {
	b := make([]byte, 0, corkBytes)
	return &b
}}

func newWire(conn net.Conn, timeout time.Duration) *wire {
	w := &wire{Conn: conn, timeout: timeout}
	w.heard.Store(true) // the handshake was
	return w
}

// Read is the connection's, and notes that the peer lives: a large message that is long on its way keeps it from
// answering pings.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.heard.Store(true)
	}
	return n, err
}

// Write gathers p or writes it. It is called with whole frames or pieces of one, by the library, which holds its own lock: so a
// control frame never comes between the pieces of another.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return 0, w.failed
	}
	if !w.corked || len(p) > corkBytes {
		if err := w.flush(); err != nil {
			return 0, err
		}
		return w.send(p)
	}
	if w.pending != nil && len(*w.pending)+len(p) > corkBytes {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	if w.pending == nil {
		w.pending = gatherers.Get().(*[]byte)
	}
	*w.pending = append(*w.pending, p...)
	return len(p), nil
}

// cork begins to gather.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// uncork writes what was gathered. Its error is that of all writes since cork.
func (w *wire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	return w.flush()
}

// err is the error of the write that failed, or nil.
func (w *wire) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

func (w *wire) flush() error {
	if w.pending == nil {
		return w.failed
	}
	var err error
	if err = w.failed; err == nil {
		_, err = w.send(*w.pending)
	}
	*w.pending = (*w.pending)[:0]
	gatherers.Put(w.pending)
	w.pending = nil
	return err
}

func (w *wire) send(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		chunk := p[sent:min(len(p), sent+chunkBytes)]
		w.failed = w.Conn.SetWriteDeadline(time.Now().Add(w.timeout))
		if w.failed == nil {
			var n int
			n, w.failed = w.Conn.Write(chunk)
			sent += n
		}
		if w.failed != nil {
			return sent, w.failed
		}
	}
	return sent, nil
}

// bid sets how long the peer has to answer our close and to close the connection itself.
func (w *wire) bid(grace time.Duration) {
	_ = w.Conn.SetReadDeadline(time.Now().Add(grace))
	w.linger.Store(true)
}

// Close closes the connection. After bid it first ends its own direction and reads the other to its end: a socket that
// is closed with unread bytes resets the connection, and the reset can overtake the close frame that says why
// (RFC 9112 §9.6 tells the same of HTTP).
func (w *wire) Close() error {
	if w.linger.Swap(false) {
		if half, ok := w.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_, _ = io.CopyN(io.Discard, w.Conn, lingerBytes)
		}
	}
	return w.Conn.Close()
}

var _ net.Conn = (*wire)(nil)
