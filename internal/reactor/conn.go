//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// A Handler is told, at the worker's turn, what happens to a connection.
type Handler interface {
	// Readable says that there is something to read, or the end of it. It is said once: read until ErrWouldBlock.
	Readable()
	// Writable says that there is room again after a Send that did not send everything; now and then without a reason.
	Writable()
	// Expired says that the time set with SetTimer is over.
	Expired()
	// Stopped says that the worker has stopped; the connection is closed right afterwards.
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
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, fmt.Errorf("%T: %w", conn, errors.ErrUnsupported)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(old uintptr) {
		const userTimeout = 18 // TCP_USER_TIMEOUT, tcp(7): a peer that vanished without a word is found
		_ = syscall.SetsockoptInt(int(old), syscall.IPPROTO_TCP, userTimeout, int(unanswered.Milliseconds()))
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

// Send writes what the kernel takes at once. sent is less than len(p) when it takes no more at present: Writable then tells of room. Where it was
// the machine that had no memory nothing may tell, so try again after a while. An error says that the connection is lost.
func (c *Conn) Send(p []byte) (sent int, err error) {
	for sent < len(p) {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&p[sent])), uintptr(len(p)-sent),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return sent, nil
		case syscall.ENOBUFS, syscall.ENOMEM: // the machine's memory, not the peer
			return sent, nil
		default:
			return sent, errno
		}
	}
	return sent, nil
}

// Receive reads into p. The end is io.EOF, nothing at present ErrWouldBlock.
func (c *Conn) Receive(p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			if n == 0 {
				return 0, io.EOF
			}
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, ErrWouldBlock
		default:
			return 0, errno
		}
	}
}

// Discard closes a descriptor that Detach returned and that no Worker took.
func Discard(fd int) { syscall.Close(fd) }
