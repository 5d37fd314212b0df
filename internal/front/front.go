//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
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
	// Refuse is called where the process may open no more files; accept takes a connection and closes it. False: it could not.
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
	listener  *net.TCPListener
	ear       *os.File // the listener's descriptor, which package net does not let one wait on
	o         Options
	workers   []*worker
	turn      int // whose the next connection is; the acceptor's
	stock     stock
	first     []byte  // what the acceptor reads into
	accepting scratch // the acceptor may answer what it has read
	second    atomic.Pointer[second]
	rest      chan net.Conn
	once      sync.Once
	closed    chan struct{} // closed by Close
	closing   atomic.Bool   // nothing more is accepted
	stopped   atomic.Bool
	running   sync.WaitGroup // the acceptor
	offers    sync.WaitGroup // connections on their way to net/http

	mu      sync.Mutex
	started bool // the acceptor
	conns   map[*conn]struct{}
	busy    int           // requests under way, or here in part
	empty   chan struct{} // closed when busy comes to 0; nil: nobody waits
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
	f := &Front{
		listener: tcp, ear: ear, o: o,
		first: make([]byte, maxHead+maxBody), rest: make(chan net.Conn),
		closed: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		w, err := newWorker(o.Logger)
		if err != nil {
			ear.Close()
			f.stopWorkers()
			return nil, err
		}
		f.workers = append(f.workers, w)
	}
	return f, nil
}

// A worker waits for the requests of its share of the connections, and answers some of them at its turn.
type worker struct {
	*reactor.Worker
	turning scratch
}

func newWorker(log *slog.Logger) (*worker, error) {
	w, err := reactor.New(func(int) (int, bool) { return 0, false }, log)
	return &worker{Worker: w}, err
}

// next is the worker of the next connection. It is called by the acceptor.
func (f *Front) next() *worker {
	f.turn++
	return f.workers[f.turn%len(f.workers)]
}

func (f *Front) stopWorkers() {
	for _, w := range f.workers {
		w.Stop()
	}
}

// inline reports whether whoever has read a request answers it.
func (f *Front) inline(j job) bool {
	return len(j.c.partial) == 0 && f.o.Inline != nil && f.o.Inline(j.r)
}

// Accept implements net.Listener. With the first call the front begins to take connections.
func (f *Front) Accept() (net.Conn, error) {
	f.start()
	select {
	case c := <-f.rest:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *Front) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started && !f.closing.Load() {
		f.started = true
		f.running.Go(f.accept)
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
	f.mu.Lock()
	before := f.closing.Swap(true)
	f.mu.Unlock()
	if before {
		return nil
	}
	return errors.Join(f.ear.Close(), f.listener.Close())
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

// Stop cuts what is left and ends the front's goroutines, once the handlers that run have returned. It may be called again.
func (f *Front) Stop() {
	_ = f.Close()
	f.running.Wait()
	f.stopped.Store(true)
	f.stopWorkers()
	f.mu.Lock()
	for c := range f.conns { // those that the reactor does not have
		c.cancelRequest()
	}
	f.mu.Unlock()
	f.stock.close()
	f.offers.Wait()
}

func (f *Front) closeIdle() {
	f.mu.Lock()
	var idle []*conn
	for c := range f.conns {
		idle = append(idle, c)
	}
	f.mu.Unlock()
	for _, c := range idle {
		c.worker.Do(c.endIfClosing)
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
