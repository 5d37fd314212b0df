package load

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/todoke-dev/todoke/internal/load/adapter"
	"github.com/todoke-dev/todoke/internal/load/payload"
	"github.com/todoke-dev/todoke/internal/load/wire"
)

type state uint8

const (
	connecting state = iota
	heading          // the head of the answer is awaited
	shaking          // and then what the adapter's steps await
	ready
)

// maxText is the most that a server may say before a reader is subscribed.
const maxText = 1 << 20

// A conn is one connection, a reader's or a publisher's.
type conn struct {
	fd      int // -1: closed
	index   int32
	state   state
	paused  bool // does not read
	step    int
	link    *adapter.Link
	after   []string // where it resumes
	channel uint32
	text    []byte // what came before it was ready
	out     []byte // what the socket did not take yet
	body    wire.Body
	frames  wire.Frames
	finder  payload.Finder
	track   *track // nil: no position is kept

	reader int   // its number; negative: a publisher
	counts int64 // 1: what it gets is waited for and timed; 0: only checked
	order  uint64
	pub    *publisher
}

// open begins to connect c.
func (e *engine) open(c *conn) error {
	fd, err := e.dialer.open(c.pub != nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	c.fd, c.state, c.step, c.text, c.out = fd, connecting, 0, nil, nil
	c.body, c.frames, c.finder = wire.Body{}, wire.Frames{}, payload.Finder{}
	// Edge-triggered: an event is for what is new, and a read that does not fill the buffer has taken all.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: c.index}
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		unix.Close(fd)
		c.fd = -1
		return fmt.Errorf("watching a connection: %w", err)
	}
	return nil
}

// drop closes c, with a reset.
func (e *engine) drop(c *conn) {
	if c.fd < 0 {
		return
	}
	cut(c.fd)
	c.fd = -1
	if c.state == ready {
		e.total.ready--
	}
}

// fail ends a connection that the server or the wire has ended. Before it is ready that is the end of the run.
func (e *engine) fail(c *conn, err error) {
	was := c.state
	e.drop(c)
	switch {
	case was != ready:
		e.failure = fmt.Errorf("%w: connection %d: %w", ErrNotConnected, c.index, err)
	case c.reader < 0:
		e.failure = fmt.Errorf("a publisher's connection ended: %w", err)
	default:
		e.total.closed++
		if c.track != nil {
			c.track.pending = nil
			e.ended = append(e.ended, c)
		}
	}
}

func (e *engine) handle(c *conn, events uint32) {
	if c.state == connecting {
		code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err != nil {
			e.fail(c, fmt.Errorf("connecting: %w", err))
			return
		}
		if events&unix.EPOLLOUT == 0 {
			return
		}
		if c.pub != nil && c.pub.http != nil {
			c.state = ready
			e.total.ready++
			return
		}
		c.state = heading
		e.send(c, []byte(c.link.Request(e.target, e.channel(c.channel), c.after)))
		return
	}
	if events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
		e.flush(c)
	}
	if c.fd >= 0 && !c.paused && events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e.receive(c, events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
	}
}

// send writes text, and keeps what the socket does not take.
func (e *engine) send(c *conn, text []byte) {
	c.out = append(c.out, text...)
	e.flush(c)
}

func (e *engine) flush(c *conn) {
	n, err := unix.Write(c.fd, c.out)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return // it becomes writable
	case err != nil:
		e.fail(c, fmt.Errorf("writing: %w", err))
		return
	}
	if c.out = c.out[:copy(c.out, c.out[n:])]; len(c.out) == 0 && c.reader >= 0 {
		c.out = nil // a reader hardly ever writes again
	}
}

// receive reads all there is. ending says that the end may be in it.
func (e *engine) receive(c *conn, ending bool) {
	for c.fd >= 0 && !c.paused {
		n, err := unix.Read(c.fd, e.buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return
		case err != nil:
			e.fail(c, fmt.Errorf("reading: %w", err))
			return
		case n == 0:
			e.fail(c, errEnded)
			return
		}
		e.current, e.read = c, e.now()
		if c.reader >= 0 {
			e.total.bytes += int64(n)
		}
		if err := e.arrived(c, e.buf[:n]); err != nil {
			e.fail(c, err)
			return
		}
		if n < len(e.buf) && !ending {
			break
		}
	}
	if c.pub != nil && c.fd >= 0 && c.state == ready {
		e.refill(c.pub, e.read)
	}
}

// arrived takes what was read through the layers: head, body or frames, and then data.
func (e *engine) arrived(c *conn, piece []byte) error {
	if c.pub != nil && c.pub.http != nil {
		return c.pub.http.answers(e, c.pub, piece)
	}
	if c.state == heading {
		c.text = append(c.text, piece...)
		h, n, err := wire.ParseHead(c.text)
		if n == 0 || err != nil {
			return err
		}
		if err := e.opened(c, h, c.text[n:]); err != nil {
			return err
		}
		piece, c.text = c.text[n:], nil
		e.advance(c)
	}
	if c.link.WebSocket {
		return c.frames.Read(piece, e)
	}
	if _, err := c.body.Read(piece, e.onBody); err != nil {
		return err
	}
	if c.body.Done() {
		return errEnded
	}
	return nil
}

// opened looks at the head of the answer.
func (e *engine) opened(c *conn, h wire.Head, rest []byte) error {
	want := 200
	if c.link.WebSocket {
		want = 101
	}
	if h.Status != want {
		return fmt.Errorf("it is answered with %d: %.300s", h.Status, bytes.TrimSpace(rest))
	}
	if c.link.WebSocket && h.Accept != e.accept {
		return fmt.Errorf("Sec-WebSocket-Accept is %.60q", h.Accept)
	}
	c.state = shaking
	c.body = wire.NewBody(h)
	return nil
}

// advance says what the next step says, or is ready.
func (e *engine) advance(c *conn) {
	for c.step < len(c.link.Steps) {
		s := c.link.Steps[c.step]
		if s.Send != nil {
			e.sendFrame(c, s.Send(e.target, e.channel(c.channel), c.after))
		}
		if s.Await != "" {
			return
		}
		c.step++
	}
	c.state = ready
	e.total.ready++
}

func (e *engine) sendFrame(c *conn, text string) {
	op := byte(wire.OpText)
	if c.link.Binary {
		op = wire.OpBinary
	}
	if c.fd >= 0 {
		e.send(c, wire.AppendFrame(nil, op, []byte(text), maskOf(e.now())))
	}
}

// maskOf makes a frame's key. RFC 6455 §5.3 wants it unpredictable, for caches in between; here are none.
func maskOf(now int64) uint32 { return uint32(now)*2654435761 | 1 }

// data takes a piece of the body or of a message.
func (e *engine) data(piece []byte) {
	c := e.current
	if c.link.Ping != "" && string(piece) == c.link.Ping && c.state == ready {
		e.sendFrame(c, c.link.Pong) // pings come in frames of their own
		return
	}
	switch {
	case c.state != ready:
		e.shake(c, piece)
	case c.pub != nil:
		c.pub.frame = append(c.pub.frame, piece...)
	case c.track != nil:
		e.tracked(c, piece)
	default:
		c.finder.Find(&e.run, piece, e.onStamp)
	}
}

// shake looks for what the current step awaits.
func (e *engine) shake(c *conn, piece []byte) {
	c.text = append(c.text, piece...)
	for c.state != ready {
		await := c.link.Steps[c.step].Await
		i := bytes.Index(c.text, []byte(await))
		if i < 0 {
			if len(c.text) > maxText {
				e.fail(c, fmt.Errorf("%q does not come; it says %.200q", await, c.text))
			}
			return
		}
		if c.track != nil {
			c.track.values(c.link, c.text)
		}
		c.text = c.text[i+len(await):]
		c.step++
		e.advance(c)
	}
	rest := c.text
	c.text = nil
	e.data(rest)
}
