//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// A Handler is told, at the worker's turn, what happens to a connection.
type Handler interface {
	// Readable says that there is something to read, or the end of it. It is said once: read until ErrWouldBlock.
	Readable()
	// Writable says that there is room again after a Send that did not send everything; now and then without a reason.
	Writable()
	// Expired says that the time set with SetTimer is over.
	Expired()
	// Stopped says that the worker has stopped. The handler closes the connection, now or later.
	Stopped()
}

// A Conn is a connection. The zero value is none: Worker.Add makes it one. Its methods are called at the worker's turn.
type Conn struct {
	worker     *Worker
	handler    Handler
	fd         int32 // -1: closed
	generation uint32
	timer      timer
}

// ErrWouldBlock says that there is nothing to read at present.
var ErrWouldBlock = errors.New("nothing to read")

// Detach takes the connection away from the net package, whose own share of memory for it is then free: the descriptor is
// duplicated, and conn closed. unanswered is how long the kernel tries to deliver before it gives the peer up. An error with
// errors.ErrUnsupported says that conn is no plain TCP connection; it is then as it was.
func Detach(conn net.Conn, unanswered time.Duration) (fd int, err error) {
	if own, ok := conn.(interface{ Detach() (int, error) }); ok { // it never was the net package's
		if fd, err = own.Detach(); err == nil {
			setUserTimeout(fd, unanswered)
		}
		return fd, err
	}
	inner := conn
	if wrapped, ok := conn.(interface{ Plain() net.Conn }); ok { // not NetConn, which TLS has too
		inner = wrapped.Plain()
	}
	tcp, ok := inner.(*net.TCPConn)
	if !ok || tcp == nil {
		return -1, fmt.Errorf("%T: %w", conn, errors.ErrUnsupported)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(old uintptr) {
		setUserTimeout(int(old), unanswered)
		const dupCloexec = 0x406 // F_DUPFD_CLOEXEC
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, old, dupCloexec, 0)
		if fd = int(n); errno != 0 {
			failed = errno
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return -1, fmt.Errorf("duplicate the connection's descriptor: %w", err)
	}
	if err := conn.Close(); err != nil { // somebody else has closed it meanwhile, and means ours too
		Discard(fd)
		return -1, fmt.Errorf("take the connection over: %w", err)
	}
	return fd, nil
}

// setUserTimeout has the kernel give up a peer that vanished without a word (TCP_USER_TIMEOUT, tcp(7)).
func setUserTimeout(fd int, unanswered time.Duration) {
	const userTimeout = 18
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, userTimeout, int(unanswered.Milliseconds()))
}

// Add makes c the connection of a descriptor, which it owns from now on, and whose events go to h. It is called at the worker's turn.
func (w *Worker) Add(c *Conn, fd int, h Handler) error {
	w.generation++
	*c = Conn{worker: w, handler: h, fd: int32(fd), generation: w.generation, timer: noTimer}
	if err := w.poll.add(fd, w.generation); err != nil {
		c.fd = -1
		syscall.Close(fd)
		return fmt.Errorf("watch the connection: %w", err)
	}
	for fd >= len(w.conns) {
		w.conns = append(w.conns, make([]*Conn, max(64, fd+1-len(w.conns), len(w.conns)/4))...)
	}
	w.conns[fd] = c
	if w.count.Add(1) == 1 {
		w.wheel.restart(time.Now())
		w.notify() // the goroutine has to begin to count the time
	}
	return nil
}

// Open reports whether c is a connection that was not closed.
func (c *Conn) Open() bool { return c.worker != nil && c.fd >= 0 }

// Close closes the connection. It may be called again.
func (c *Conn) Close() {
	if !c.Open() {
		return
	}
	c.StopTimer()
	c.worker.conns[c.fd] = nil
	c.worker.count.Add(-1)
	syscall.Close(int(c.fd)) // nobody else has it, so epoll forgets it too
	c.fd = -1
}

// CloseWrite ends our direction; the peer reads everything and then the end.
func (c *Conn) CloseWrite() error { return syscall.Shutdown(int(c.fd), syscall.SHUT_WR) }

// Release takes the connection out of the worker, and gives its descriptor away.
func (c *Conn) Release() (fd int, err error) {
	if !c.Open() {
		return -1, net.ErrClosed
	}
	c.StopTimer()
	fd = int(c.fd)
	err = c.worker.poll.remove(fd)
	c.worker.conns[fd] = nil
	c.worker.count.Add(-1)
	c.fd = -1
	if err != nil {
		syscall.Close(fd)
		return -1, fmt.Errorf("let go of a connection: %w", err)
	}
	return fd, nil
}

// Send writes what the kernel takes at once. sent is less than len(p) when it takes no more at present: Writable then tells of room. Where it was
// the machine that had no memory nothing may tell, so try again after a while. An error says that the connection is lost.
func (c *Conn) Send(p []byte) (sent int, err error) { return Send(int(c.fd), p) }

// Receive reads into p. The end is io.EOF, nothing at present ErrWouldBlock.
func (c *Conn) Receive(p []byte) (int, error) { return Receive(int(c.fd), p) }

// Discard closes a descriptor that Detach returned and that no Worker took.
func Discard(fd int) { syscall.Close(fd) }
