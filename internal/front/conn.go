//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// States of a conn.
const (
	waiting int32 = iota // for a request: it belongs to the reactor's turn
	serving              // a goroutine has it
	stirred              // … and something has come meanwhile
	gone
)

// A conn is one connection between two requests, or during one.
type conn struct {
	reactor.Conn
	fd     int
	f      *Front
	from   netip.AddrPort
	state  atomic.Int32
	cancel atomic.Pointer[context.CancelFunc] // of the request that is served
	room   atomic.Pointer[chan struct{}]      // told when there is room to write; nil: nobody waits

	// Of whoever has the conn.
	watched bool        // the reactor has it
	partial []byte      // of a request that is not whole
	begun   bool        // … and that is counted as busy
	asked   bool        // a request was answered
	active  atomic.Bool // … since the timer was last set
}

// take begins with a connection. Mostly the request is here already; then the reactor is not troubled.
func (f *Front) take(fd int, from netip.AddrPort) {
	c := &conn{f: f, fd: fd, from: from}
	f.add(c)
	n, err := reactor.Receive(fd, f.first)
	switch {
	case errors.Is(err, reactor.ErrWouldBlock):
		c.watch()
	case err != nil:
		c.close()
	default:
		c.state.Store(serving)
		if c.consume(f.first[:n], f.accepting) {
			c.watch()
		}
	}
}

// watch has the reactor wait for the next request. The conn is the turn's from then on.
func (c *conn) watch() {
	accepted := c.f.worker.Do(func() {
		c.state.Store(waiting)
		if c.f.worker.Add(&c.Conn, c.fd, c) != nil { // which has closed it
			c.forget()
			return
		}
		c.watched = true
		c.setTimer()
		if c.f.closing.Load() && c.asked {
			c.end()
		}
	})
	if !accepted {
		c.close()
	}
}

// setTimer is called at the turn.
func (c *conn) setTimer() {
	if c.asked && len(c.partial) == 0 {
		c.SetTimer(c.f.o.IdleTimeout)
	} else {
		c.SetTimer(c.f.o.HeadTimeout)
	}
}

// Readable implements reactor.Handler.
func (c *conn) Readable() {
	if c.state.CompareAndSwap(serving, stirred) || c.state.Load() == stirred {
		if cancel := c.cancel.Load(); cancel != nil && reactor.Ended(c.fd) {
			(*cancel)()
		}
		return
	}
	if c.state.Load() == waiting {
		c.read()
	}
}

// read takes what has come. It is called at the turn.
func (c *conn) read() {
	for {
		buffer := c.f.worker.Buffer()
		n, err := c.Receive(buffer)
		switch {
		case errors.Is(err, reactor.ErrWouldBlock):
			return
		case err != nil:
			c.end()
			return
		}
		if n < len(buffer) {
			c.state.Store(serving)
		} else {
			c.state.Store(stirred) // there may be more, of which nobody tells
		}
		p := buffer[:n]
		begun := len(c.partial) > 0
		if begun {
			p = append(c.partial, p...)
		}
		if !c.consume(p, c.f.turning) {
			return
		}
		c.state.Store(waiting)
		if !begun {
			c.setTimer()
		}
	}
}

// consume deals with what has come, all of it. It returns true when that is a part of a request; else it has given the conn away. w, if not nil,
// is what the caller may answer with itself.
func (c *conn) consume(p []byte, w *response) (more bool) {
	var m message
	switch parse(p, &m) {
	case partial:
		c.partial = append([]byte(nil), p...)
		c.begin()
		return true
	case whole:
		if r := m.request(c); c.f.o.Takes(r) {
			rest := append([]byte(nil), p[m.size-len(m.body):]...) // p is used again: the body, and what came behind it
			r.Body = bodyOf(rest[:len(m.body):len(m.body)])
			c.partial = rest[len(m.body):]
			c.begin()
			c.begun = false // it is the job's
			j := job{c, r, m.close}
			if w != nil && len(c.partial) == 0 && c.f.o.Inline != nil && c.f.o.Inline(r) {
				w.inline = true
				j.serve(w)
			} else {
				c.f.stock.do(j)
			}
			return false
		}
	}
	c.handOver(append([]byte(nil), p...))
	return false
}

// begin counts the conn as busy, once.
func (c *conn) begin() {
	if !c.begun {
		c.begun = true
		c.f.begin(1)
	}
}

// release has the reactor wait for more. It is called by the goroutine that has the conn.
func (c *conn) release() {
	c.active.Store(true)
	switch {
	case !c.watched:
		c.watch()
	case len(c.partial) == 0 && c.state.CompareAndSwap(serving, waiting):
	default: // something came meanwhile, or a part of it
		c.f.worker.Do(func() {
			c.state.Store(waiting)
			c.setTimer()
			c.read()
		})
	}
}

// Writable implements reactor.Handler.
func (c *conn) Writable() {
	if room := c.room.Load(); room != nil {
		select {
		case *room <- struct{}{}:
		default:
		}
	}
}

// Expired implements reactor.Handler. That a request came meanwhile is noted only, so an idle connection is closed after once to twice its
// time.
func (c *conn) Expired() {
	switch {
	case c.state.Load() != waiting, len(c.partial) == 0 && c.active.Swap(false):
		c.SetTimer(c.f.o.IdleTimeout)
	default:
		c.end()
	}
}

// Stopped implements reactor.Handler. What a goroutine has is only cut: it closes the descriptor itself, which nobody else may get before.
func (c *conn) Stopped() {
	if c.state.CompareAndSwap(waiting, gone) {
		c.end()
		return
	}
	if cancel := c.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	reactor.CutOff(c.fd)
}

// end closes the conn at the turn.
func (c *conn) end() {
	c.Close()
	c.forget()
}

func (c *conn) forget() {
	if c.state.Store(gone); c.begun {
		c.begun = false
		c.f.begin(-1)
	}
	c.f.remove(c)
}

// close closes the conn from wherever it is.
func (c *conn) close() {
	if c.watched && c.f.worker.Do(c.end) {
		return
	}
	reactor.Discard(c.fd)
	c.forget()
}

// unwatch takes the descriptor out of the reactor. The caller has the conn, and is not at the turn.
func (c *conn) unwatch() (fd int, err error) {
	if !c.watched {
		c.forget()
		return c.fd, nil
	}
	done := make(chan struct{})
	accepted := c.f.worker.Do(func() {
		fd, err = c.Release()
		close(done)
	})
	if !accepted {
		return -1, http.ErrServerClosed
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second): // the worker was stopped and the task dropped
		return -1, http.ErrServerClosed
	}
	c.watched = false
	c.forget()
	return fd, err
}
