//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// A Hijacked is a connection that a handler took over. It becomes the net package's when it is used as a net.Conn; until then it
// can be detached.
type Hijacked struct {
	remote net.Addr

	mu   sync.Mutex
	fd   int // -1: it is conn's, or was detached
	conn net.Conn
	err  error
}

// Detach gives the descriptor away. It fails when the connection was used already.
func (h *Hijacked) Detach() (fd int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fd < 0 {
		return -1, errDetached
	}
	fd, h.fd, h.err = h.fd, -1, errDetached
	return fd, nil
}

func (h *Hijacked) use() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fd >= 0 {
		h.conn, h.err = netConn(h.fd)
		h.fd = -1
	}
	return h.conn, h.err
}

// Read implements net.Conn.
func (h *Hijacked) Read(p []byte) (int, error) {
	conn, err := h.use()
	if err != nil {
		return 0, err
	}
	return conn.Read(p)
}

// Write implements net.Conn.
func (h *Hijacked) Write(p []byte) (int, error) {
	conn, err := h.use()
	if err != nil {
		return 0, err
	}
	return conn.Write(p)
}

// Close implements net.Conn.
func (h *Hijacked) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fd >= 0 {
		reactor.Discard(h.fd)
		h.fd, h.err = -1, net.ErrClosed
		return nil
	}
	if h.conn != nil {
		return h.conn.Close()
	}
	return nil
}

// CloseWrite ends our direction.
func (h *Hijacked) CloseWrite() error {
	conn, err := h.use()
	if err != nil {
		return err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// LocalAddr implements net.Conn. Asking for it is no use: the connection can be detached afterwards.
func (h *Hijacked) LocalAddr() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		return h.conn.LocalAddr()
	}
	if h.fd >= 0 {
		if address, err := syscall.Getsockname(h.fd); err == nil {
			return net.TCPAddrFromAddrPort(addrPort(address))
		}
	}
	return &net.TCPAddr{}
}

// RemoteAddr implements net.Conn.
func (h *Hijacked) RemoteAddr() net.Addr { return h.remote }

// SetDeadline implements net.Conn.
func (h *Hijacked) SetDeadline(t time.Time) error {
	conn, err := h.use()
	if err != nil {
		return err
	}
	return conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (h *Hijacked) SetReadDeadline(t time.Time) error {
	conn, err := h.use()
	if err != nil {
		return err
	}
	return conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (h *Hijacked) SetWriteDeadline(t time.Time) error {
	conn, err := h.use()
	if err != nil {
		return err
	}
	return conn.SetWriteDeadline(t)
}

var _ net.Conn = (*Hijacked)(nil)
