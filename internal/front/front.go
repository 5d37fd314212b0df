//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// Options of a Front.
type Options struct {
	// Handler answers; it is the http.Server's.
	Handler http.Handler
	// Takes reports whether a request is answered here. It sees the method, the URL and the headers.
	Takes func(r *http.Request) bool
	// Inline reports whether the handler answers such a request without waiting for anything and without flushing: it is then called at the
	// reactor's turn, which spares two switches between goroutines. Nil: none.
	Inline func(r *http.Request) bool
	// Refuse is called where the process may open no more files; accept takes one connection and closes it. False: give up.
	Refuse func(accept func() error) bool
	// Context is that of all requests, as http.Server.BaseContext with ConnContext.
	Context context.Context
	// HeadTimeout is how long a request may be on its way, and IdleTimeout how long a connection may wait for the next.
	HeadTimeout, IdleTimeout time.Duration
	// Logger gets panics of handlers.
	Logger *slog.Logger
}

// A Front is a listener whose Accept returns the connections that are net/http's.
type Front struct {
	listener *net.TCPListener
	ear      *os.File // the listener's descriptor, which package net does not let one wait on
	o        Options
	worker   *reactor.Worker
	stock    stock
	first    []byte // what the acceptor reads into
	// Those who read requests may answer some of them: the acceptor, and whose turn it is.
	accepting, turning *response
	rest               chan net.Conn
	once               sync.Once
	closed             chan struct{} // closed by Close
	broken             chan struct{} // closed when no more can be accepted
	failed             error         // why; read after broken
	closing            atomic.Bool
	running            sync.WaitGroup // the acceptor

	mu    sync.Mutex
	conns map[*conn]struct{}
	busy  int           // requests under way, or here in part
	empty chan struct{} // closed when busy comes to 0; nil: nobody waits
}

var _ net.Listener = (*Front)(nil)

// Listen puts a front before net/http. It takes l over. An error with errors.ErrUnsupported leaves l as it was.
func Listen(l net.Listener, o Options) (*Front, error) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("%T: %w", l, errors.ErrUnsupported)
	}
	ear, err := listenTo(tcp)
	if err != nil {
		return nil, err
	}
	worker, err := reactor.New(func(int) (int, bool) { return 0, false }, o.Logger)
	if err != nil {
		ear.Close()
		return nil, err
	}
	f := &Front{
		listener: tcp, ear: ear, o: o, worker: worker,
		first: make([]byte, maxHead+maxBody), accepting: newResponse(), turning: newResponse(), rest: make(chan net.Conn),
		closed: make(chan struct{}), broken: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
	f.running.Go(f.accept)
	return f, nil
}

// Accept implements net.Listener.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case c := <-f.rest:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	case <-f.broken:
		return nil, f.failed
	}
}

// Addr implements net.Listener.
func (f *Front) Addr() net.Addr { return f.listener.Addr() }

// Close implements net.Listener: nothing more is accepted. What is here goes on, until Shutdown or Stop.
func (f *Front) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.stopAccepting()
}

// stopAccepting closes the port; Accept goes on until Close, for net/http takes its return for the end.
func (f *Front) stopAccepting() error {
	if f.closing.Swap(true) {
		return nil
	}
	return errors.Join(f.ear.Close(), f.listener.Close())
}

// listenTo duplicates the listener's descriptor.
func listenTo(l *net.TCPListener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var file *os.File
	failed := raw.Control(func(fd uintptr) {
		// A connection is accepted when its first bytes have come (TCP_DEFER_ACCEPT, tcp(7)), or after a second without: so mostly
		// the request is there, and nobody has to wait for it.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, 1)
		const dupCloexec = 0x406 // F_DUPFD_CLOEXEC
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, dupCloexec, 0)
		if errno != 0 {
			err = errno
			return
		}
		file = os.NewFile(n, "listener") // it does not block, so the runtime's poller waits for it
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("duplicate the listener's descriptor: %w", err)
	}
	return file, nil
}

// Shutdown closes the connections that wait for a request, and waits for the answers that are under way.
func (f *Front) Shutdown(ctx context.Context) error {
	err := f.stopAccepting()
	f.running.Wait()
	f.closeIdle()
	return errors.Join(err, f.wait(ctx))
}

// Busy is how many requests are under way, or have come in part.
func (f *Front) Busy() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.busy
}

// Stop cuts what is left and ends the front's goroutines, once the handlers that run have returned.
func (f *Front) Stop() {
	_ = f.Close()
	f.running.Wait()
	f.worker.Stop()
	f.stock.close()
}

func (f *Front) closeIdle() {
	f.mu.Lock()
	var idle []*conn
	for c := range f.conns {
		idle = append(idle, c)
	}
	f.mu.Unlock()
	for _, c := range idle {
		f.worker.Do(func() {
			if c.state.Load() == waiting && !c.begun {
				c.end()
			}
		})
	}
}

func (f *Front) add(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = struct{}{}
}

func (f *Front) remove(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

func (f *Front) begin(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy += n
	if f.busy == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

func (f *Front) wait(ctx context.Context) error {
	f.mu.Lock()
	if f.busy == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accept takes connections as descriptors, which spares the net package's part of each.
func (f *Front) accept() {
	raw, err := f.ear.SyscallConn()
	if err != nil {
		f.fail(err)
		return
	}
	for {
		fd, from, err := acceptOne(raw)
		switch {
		case err == nil:
			f.take(fd, from)
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			if !f.o.Refuse(func() error { return refuseOne(raw) }) {
				f.fail(err)
				return
			}
		case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
		default:
			if !f.closing.Load() {
				f.fail(err)
			}
			return
		}
	}
}

func (f *Front) fail(err error) {
	f.failed = err
	close(f.broken)
}

// refuseOne takes a connection and resets it: the client sees at once that it is not let in.
func refuseOne(raw syscall.RawConn) error {
	fd, _, err := acceptOne(raw)
	if err != nil {
		return err
	}
	_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	reactor.Discard(fd)
	return nil
}

func acceptOne(raw syscall.RawConn) (fd int, from netip.AddrPort, err error) {
	var address syscall.Sockaddr
	waited := raw.Read(func(listener uintptr) bool {
		fd, address, err = syscall.Accept4(int(listener), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if waited != nil {
		return -1, from, waited
	}
	if err != nil {
		return -1, from, fmt.Errorf("accept a connection: %w", err)
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	switch a := address.(type) {
	case *syscall.SockaddrInet4:
		from = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		from = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return fd, from, nil
}
