//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
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

// handOver gives the connection to net/http. The caller has the conn; it may be at the turn.
func (c *conn) handOver(first []byte) {
	if c.watched {
		// At the turn, for only there requests are read off a conn that is watched, or later on it.
		c.f.worker.Do(func() {
			fd, err := c.Release()
			c.forget()
			if err == nil {
				c.f.offer(fd, first)
			}
		})
		return
	}
	c.forget()
	c.f.offer(c.fd, first)
}

// offer waits, on a goroutine, until net/http takes the connection or there is none any more.
func (f *Front) offer(fd int, first []byte) {
	conn, err := netConn(fd)
	if err != nil {
		f.o.Logger.Warn("a connection was lost", "error", err)
		return
	}
	go func() {
		select {
		case f.rest <- &prefixed{conn, first}:
		case <-f.closed:
			conn.Close()
		case <-f.broken:
			conn.Close()
		}
	}()
}

// netConn makes a descriptor a net.Conn, and closes it.
func netConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "connection")
	if file == nil {
		return nil, fmt.Errorf("%d is no descriptor: %w", fd, syscall.EBADF)
	}
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("make a connection of a descriptor: %w", err)
	}
	return conn, nil
}
