//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync/atomic"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// States of a conn.
const (
	waiting int32 = iota // for a request: it belongs to the reactor's turn
	serving              // somebody answers on it
	stirred              // … and something has come meanwhile, or may have
	gone
)

// A conn is one connection between two requests, or during one.
type conn struct {
	reactor.Conn
	fd     int
	f      *Front
	worker *worker // who waits for its requests
	from   netip.AddrPort
	state  atomic.Int32
	cancel atomic.Pointer[context.CancelFunc] // of the request that is served
	room   atomic.Pointer[chan struct{}]      // told when there is room to write; nil: nobody waits

	// Of whoever has the conn.
	watched bool        // the reactor has it
	partial []byte      // of a request that is not whole
	need    int         // the size of that request; 0: its head is not here
	pieces  int         // in which that head has come
	breaks  int         // how much of an empty line may stand before the next request
	begun   bool        // there is a part of a request, and that is counted as busy
	asked   bool        // a request was answered
	active  atomic.Bool // … since the timer was last set
}

// maxPieces is in how many pieces a head may come: each is looked at from the beginning.
const maxPieces = 16

// take begins with a connection. Mostly the request is here already; then the reactor is not troubled.
func (f *Front) take(fd int, from netip.AddrPort) {
	c := &conn{f: f, worker: f.next(), fd: fd, from: from}
	f.add(c)
	n, err := reactor.Receive(fd, f.first)
	switch {
	case errors.Is(err, reactor.ErrWouldBlock):
		c.watch()
		return
	case err != nil:
		c.close()
		return
	}
	c.state.Store(serving)
	switch j, o := c.next(f.first[:n], false); {
	case o == wanting:
		c.watch()
	case o == strange:
		c.handOver()
	case !f.inline(j):
		f.stock.do(j)
	case j.answer(&f.accepting, true) == kept:
		c.watch()
	default:
		c.close()
	}
}

// watch has the reactor wait for the next request. The conn is the turn's from then on.
func (c *conn) watch() {
	accepted := c.worker.Do(func() {
		if c.worker.Add(&c.Conn, c.fd, c) != nil { // which has closed it
			c.forget()
			return
		}
		c.watched = true
		c.state.Store(waiting)
		c.setTimer()
		c.endIfClosing()
	})
	if !accepted {
		c.discard()
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
		c.read(c.worker.HungUp())
	}
}

// read takes what has come. It is called at the turn. Where less has come than was asked for, there is no more, and another event tells of what
// comes later: unless drain says that more is known to be there, if only the end.
func (c *conn) read(drain bool) {
	f := c.f
	for {
		buffer := c.worker.Buffer()
		n, err := c.Receive(buffer)
		switch {
		case errors.Is(err, reactor.ErrWouldBlock):
			return
		case errors.Is(err, io.EOF) && len(c.partial) > 0:
			c.letGo() // net/http says what there is to say to a client that breaks off
			return
		case err != nil:
			c.end()
			return
		}
		if drain = drain || n == len(buffer); drain {
			c.state.Store(stirred)
		} else {
			c.state.Store(serving)
		}
		p := buffer[:n]
		begun := len(c.partial) > 0
		if begun {
			p = append(c.partial, p...)
		}
		j, o := c.next(p, begun)
		switch {
		case o == wanting:
			c.state.Store(waiting)
			if !begun {
				c.setTimer()
			}
			continue
		case o == strange:
			c.letGo()
			return
		case !f.inline(j):
			f.stock.do(j)
			return
		case j.answer(&c.worker.turning, true) != kept:
			c.end()
			return
		}
		c.active.Store(true)
		c.state.Store(waiting)
		if c.endIfClosing(); !drain || !c.Open() {
			return
		}
	}
}

// An outcome is what has become of a conn.
type outcome uint8

const (
	wanting outcome = iota // more has to come
	ready                  // there is a request to be answered
	strange                // net/http is to have it
	kept                   // it was answered, and there may be another
	lost                   // it was answered, and the connection is to be closed
	taken                  // the handler has taken the connection over
)

// next looks for a request in what has come, p, all of it. c.partial is the rest afterwards. own: p may be kept.
func (c *conn) next(p []byte, own bool) (job, outcome) {
	for ; c.breaks > 0 && len(p) > 0 && (p[0] == '\r' || p[0] == '\n'); p = p[1:] {
		c.breaks-- // as net/http has it after a POST
	}
	if len(p) == 0 {
		c.partial = nil
		return job{}, wanting
	}
	c.breaks = 0
	var m message
	o := wanting
	if len(p) >= c.need {
		o = c.judge(p, &m)
	}
	if o != ready {
		if !own {
			p = append(make([]byte, 0, max(len(p), c.need)), p...)
		}
		c.partial = p
		c.begin()
		return job{}, o
	}
	rest := p[m.size-len(m.body):] // the body, and what came behind it
	if !own {
		rest = append([]byte(nil), rest...)
	}
	r := m.request(c)
	r.Body = bodyOf(rest[:len(m.body):len(m.body)])
	c.partial, c.need, c.pieces = rest[len(m.body):], 0, 0
	c.begin()
	c.begun = false // it is the job's
	return job{c, r, m.close}, ready
}

// judge parses. Whose request this is gets decided as soon as its head is here.
func (c *conn) judge(p []byte, m *message) outcome {
	v := parse(p, m)
	switch {
	case v == unplain, m.size > 0 && !c.f.o.Takes(m.request(c)):
		return strange
	case v == whole:
		return ready
	}
	if c.need = m.size; c.need == 0 {
		if c.pieces++; c.pieces > maxPieces {
			return strange
		}
	}
	return wanting
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
	f := c.f
	c.active.Store(true)
	switch {
	case !c.watched:
		c.watch()
	case len(c.partial) == 0 && c.state.CompareAndSwap(serving, waiting):
		if f.closing.Load() { // it may have been passed by
			c.worker.Do(c.endIfClosing)
		}
	case !c.worker.Do(c.resume): // something came meanwhile, or a part of it
		c.discard()
	}
}

// resume is release at the turn.
func (c *conn) resume() {
	c.state.Store(waiting)
	c.setTimer()
	c.read(true)
	c.endIfClosing()
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
// time. A body may take its time: that is between net/http and the handler.
func (c *conn) Expired() {
	switch {
	case c.state.Load() != waiting, len(c.partial) == 0 && c.active.Swap(false):
		c.SetTimer(c.f.o.IdleTimeout)
	case c.need > 0:
		c.letGo()
	default:
		c.end()
	}
}

// Stopped implements reactor.Handler. What somebody answers on is only cut: they close the descriptor, which nobody else may get before.
func (c *conn) Stopped() {
	for {
		switch s := c.state.Load(); {
		case s == waiting:
			c.end()
			return
		case s == gone:
			return
		case s == stirred, c.state.CompareAndSwap(serving, stirred): // so that it is not waited on again
			c.cancelRequest()
			reactor.CutOff(c.fd)
			c.Writable()
			return
		}
	}
}

func (c *conn) cancelRequest() {
	if cancel := c.cancel.Load(); cancel != nil {
		(*cancel)()
	}
}

// endIfClosing closes, at the turn, a conn that waits for a request that would not be answered.
func (c *conn) endIfClosing() {
	if c.f.closing.Load() && c.state.Load() == waiting && !c.begun {
		c.end()
	}
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

// close closes the conn. It is called by the goroutine that has it.
func (c *conn) close() {
	if !c.watched || !c.worker.Do(c.end) {
		c.discard()
	}
}

// discard closes a conn that no reactor has, or one that has stopped.
func (c *conn) discard() {
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
	accepted := c.worker.Do(func() {
		fd, err = c.Release()
		close(done)
	})
	if !accepted {
		return -1, errStopped
	}
	<-done
	if err != nil {
		c.fd = -1 // it is closed
		return -1, err
	}
	c.watched = false
	c.forget()
	return fd, nil
}

var errStopped = errors.New("the server has stopped")
