package evented

import (
	"errors"
	"io"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/reactor"
)

const (
	// turnBatches is how many batches one reader is given, and turnReads how many buffers full are read from one peer,
	// before others have their turn.
	turnBatches = 4
	turnReads   = 4
	// lingerBytes bounds what is read and thrown away of a peer that was told to go.
	lingerBytes = 8 << 20
)

// A Transport is what runs on a link. Its methods are called at the link's worker's turn.
type Transport interface {
	// Input takes what the peer sent. data is only valid during the call.
	Input(data []byte)
	// Tick is called when the time that the last Tick returned, or that was set with SetTick, is over, and earlier where the link had to
	// wait for room to write meanwhile: look at the clock.
	Tick() (next time.Duration)
	// Resume reads on, all subscriptions, after the link had to wait for room, or others had their turn.
	Resume()
	// Ended says that a subscription that the link reads has come to its end, and why. Everything it had was given.
	Ended(sub *todoke.Subscription, err error)
	// Closed is called once, last of all: the connection is gone, and the transport closes its subscriptions. reason says why, nil
	// when both sides said goodbye.
	Closed(reason error)
}

// Reasons of Closed.
var (
	// ErrPeerGone: the peer closed, or reset, its connection.
	ErrPeerGone = errors.New("the peer is gone")
	// ErrPeerStuck: the peer took nothing for the write timeout.
	ErrPeerStuck = errors.New("the peer takes nothing")
	// ErrPoolClosed: Pool.Close cut it.
	ErrPoolClosed = errors.New("the pool was closed")
)

// A Link is one connection. Embed it in the transport's own struct: there are many, and this is most of what each costs.
// Its methods are called at its worker's turn, except for Do.
type Link struct {
	conn      reactor.Conn
	worker    *worker
	transport Transport
	out       []byte // what of a frame could not be written, with what came after it
	since     uint32 // when the link was blocked, or the peer told goodbye: the worker's clock
	state     state
	linger    uint32 // bytes thrown away after the goodbye
}

type state uint8

const (
	blocked  state = 1 << iota // waits for room to write
	leaving                    // was told goodbye; what is left in out is still sent
	left                       // … and our direction is closed
	deaf                       // does not read
	unread                     // there may be input that was not read, for it was deaf or others had their turn
	starving                   // stopped in the middle, and on worker.again
	closed
)

func (l *Link) is(s state) bool { return l.state&s != 0 }

// Begin says who is told. It is called first of all, before Attach.
func (l *Link) Begin(t Transport) { l.transport = t }

// Follow makes r a reader of the subscription at the link's worker. The caller then calls Pump.
func (l *Link) Follow(sub *todoke.Subscription, r todoke.Reader) { sub.Follow(l.worker.follower, r) }

// Do has task carried out at the worker's turn; false when the pool is closed. It may be called from any goroutine.
func (l *Link) Do(task func()) bool { return l.worker.reactor.Do(task) }

// Go runs a task on a goroutine of its own, which Pool.Close waits for. The task ends with the link, and comes back with Do.
func (l *Link) Go(task func()) { l.worker.pool.chasing.Go(task) }

// SetTick has Transport.Tick called after that time.
func (l *Link) SetTick(after time.Duration) {
	if !l.is(blocked | leaving | closed) {
		l.conn.SetTimer(after)
	}
}

// Now is a clock in milliseconds, exact to a keep-alive's needs and cheap.
func (l *Link) Now() uint32 { return l.worker.reactor.Now() }

// Blocked reports whether the link waits for room to write, or is over: it takes nothing then.
func (l *Link) Blocked() bool { return l.is(blocked | leaving | closed) }

// Over reports whether the link was told goodbye or is closed.
func (l *Link) Over() bool { return l.is(leaving | closed) }

// Pump gives the peer what sub has for it, and reports whether there was something. A reader's Ready is mostly this.
func (l *Link) Pump(sub *todoke.Subscription, format todoke.Format, c *Chase) (some bool) {
	for batches := 0; ; batches++ {
		if l.Blocked() || c.Running() {
			return some
		}
		if batches == turnBatches {
			l.starve()
			return some
		}
		frames, ok, err := sub.TryReadFrames(format)
		switch {
		case err != nil:
			l.transport.Ended(sub, err)
			return some
		case !ok:
			c.start(l, sub, format)
			return some
		case len(frames.Bytes) == 0:
			return some
		}
		some = true
		sent, err := l.conn.Send(frames.Bytes)
		if err != nil {
			l.close(peerError(err))
			return some
		}
		if sent < len(frames.Bytes) {
			l.block(sub.Rewind(frames, sent))
			return some
		}
		if !frames.More {
			return some
		}
	}
}

// Send sends what is not from a subscription: an answer, a keep-alive. p is not kept.
func (l *Link) Send(p []byte) {
	if l.is(closed | leaving) {
		return
	}
	l.send(p)
}

func (l *Link) send(p []byte) {
	if l.is(blocked) {
		l.out = append(l.out, p...)
		return
	}
	sent, err := l.conn.Send(p)
	switch {
	case err != nil:
		l.close(peerError(err))
	case sent < len(p):
		l.block(append([]byte(nil), p[sent:]...))
	}
}

// Pending is how many bytes wait to be written: a transport that answers requests stops taking them.
func (l *Link) Pending() int { return len(l.out) }

// block notes that the socket takes no more; rest is to be written first.
func (l *Link) block(rest []byte) {
	l.out = rest
	l.state |= blocked
	l.since = l.Now()
	l.conn.SetTimer(min(l.worker.pool.o.WriteTimeout, retry))
}

// Finish says goodbye: last is sent, then our direction is closed, and the connection when the peer has closed its own, or after
// a moment. Nothing is read or sent afterwards.
func (l *Link) Finish(last []byte) {
	if l.is(closed | leaving) {
		return
	}
	l.send(last)
	if l.is(closed) {
		return
	}
	l.state = l.state&^deaf | leaving
	if !l.is(blocked) {
		l.leave()
	}
}

// leave closes our direction. A socket that is closed with unread bytes resets the connection, and the reset can overtake what says
// why (RFC 9112 §9.6), so the peer's end is awaited.
func (l *Link) leave() {
	l.state |= left
	if l.conn.CloseWrite() != nil {
		l.close(nil)
		return
	}
	l.since = l.Now()
	l.conn.SetTimer(closeGrace)
	l.readAll()
}

// Cut ends the link at once.
func (l *Link) Cut(reason error) { l.close(reason) }

func (l *Link) close(reason error) {
	if l.is(closed) {
		return
	}
	if l.is(leaving) && (reason == nil || errors.Is(reason, ErrPeerGone)) {
		reason = nil // goodbye was said
	}
	l.conn.Close()
	l.ended(reason)
}

func (l *Link) ended(reason error) {
	l.state |= closed
	l.out = nil
	l.worker.pool.add(-1)
	l.transport.Closed(reason)
}

// starve has the link go on at the next turn.
func (l *Link) starve() {
	if !l.is(starving) {
		l.state |= starving
		l.worker.again = append(l.worker.again, l)
	}
}

// goOn takes up what was left in the middle.
func (l *Link) goOn() {
	l.state &^= starving
	if l.is(closed) {
		return
	}
	if l.is(unread) {
		l.readAll()
	}
	if !l.Blocked() {
		l.transport.Resume()
	}
}

// Deafen stops reading; what the peer sends stays in the kernel until Listen.
func (l *Link) Deafen() { l.state |= deaf }

// Listen goes on reading.
func (l *Link) Listen() {
	if !l.is(deaf) {
		return
	}
	l.state &^= deaf
	if l.is(unread) && !l.is(closed) {
		l.starve()
	}
}

// readAll reads until there is nothing more, the transport does not want more, or others have their turn.
func (l *Link) readAll() {
	l.state &^= unread
	for reads := 0; ; reads++ {
		if l.is(closed) {
			return
		}
		if l.is(deaf) || reads == turnReads {
			l.state |= unread
			if !l.is(deaf) {
				l.starve()
			}
			return
		}
		buffer := l.worker.reactor.Buffer()
		n, err := l.conn.Receive(buffer)
		switch {
		case errors.Is(err, reactor.ErrWouldBlock):
			return
		case err != nil:
			l.close(peerError(err))
			return
		case !l.is(leaving):
			l.transport.Input(buffer[:n])
		default:
			if l.linger += uint32(n); l.linger > lingerBytes {
				l.close(nil)
				return
			}
		}
	}
}

func peerError(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrPeerGone
	}
	return errors.Join(ErrPeerGone, err)
}
