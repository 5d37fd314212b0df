//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// A prefixed is a connection of net/http's, some bytes of which were read already.
type prefixed struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		if len(p.first) == 0 {
			p.first = nil
		}
		return n, nil
	}
	return p.Conn.Read(b)
}

// Plain returns the connection below, once everything that was read before has been read again; else nil.
func (p *prefixed) Plain() net.Conn {
	if len(p.first) > 0 {
		return nil
	}
	return p.Conn
}

// CloseWrite ends our direction: net/http does that where it refuses a request and the client has to have time to read why.
func (p *prefixed) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// handOver gives the connection, and what has come, to net/http. It is called by the goroutine that has the conn, not at the turn.
func (c *conn) handOver() {
	if !c.watched {
		c.f.offer(c.fd, c.partial)
		c.forget()
		return
	}
	if !c.worker.Do(c.letGo) {
		c.discard()
	}
}

// letGo is handOver at the turn.
func (c *conn) letGo() {
	fd, err := c.Release()
	if err == nil {
		c.f.offer(fd, c.partial)
	}
	c.forget()
}

// offer waits, on a goroutine, until net/http takes the connection or there is none any more. It counts as busy so long.
func (f *Front) offer(fd int, first []byte) {
	f.begin(1)
	f.offers.Go(func() {
		defer f.begin(-1)
		conn, err := netConn(fd)
		switch {
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			f.o.Refuse(func() error { return nil }) // it was, and the log is told
			return
		case err != nil:
			f.o.Logger.Warn("a connection was lost", "error", err)
			return
		}
		select {
		case f.rest <- &prefixed{conn, first}:
		case <-f.closed:
			conn.Close()
		}
	})
}

// netConn makes a descriptor a net.Conn, and closes it. Where that fails, the client sees a reset.
func netConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "connection")
	if file == nil {
		return nil, fmt.Errorf("%d is no descriptor: %w", fd, syscall.EBADF)
	}
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		reset(fd)
		return nil, fmt.Errorf("make a connection of a descriptor: %w", err)
	}
	return conn, nil
}
