package evented

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/reactor"
)

const (
	// unanswered is how long the kernel tries to deliver to a peer that does not answer.
	unanswered = 30 * time.Second
	// closeGrace is how long a peer has to close after it was told goodbye.
	closeGrace = 3 * time.Second
	// retry is how long a link waits for word of room before it tries by itself: where the machine had no memory, none comes.
	retry = time.Second
	// readersTogether is how many readers of one channel stay on one worker: their sockets and the channel's frames are then warm.
	readersTogether = 256
	// maxChasers is how many links may ask the engine at the same time.
	maxChasers = 64
)

// DefaultWriteTimeout is that of Options.
const DefaultWriteTimeout = 10 * time.Second

// Options of a Pool. The zero value works.
type Options struct {
	// Workers is how many goroutines serve the links. 0: one fewer than GOMAXPROCS, and at least one.
	Workers int
	// WriteTimeout is how long a peer may take nothing of what waits for it. 0: 10 s.
	WriteTimeout time.Duration
	// Logger gets faults. Nil: slog.Default().
	Logger *slog.Logger
}

// A Pool is the workers that serve the evented links of one hub. Its methods may be called from many goroutines.
type Pool struct {
	hub     *todoke.Hub
	o       Options
	workers []*worker
	seed    maphash.Seed
	next    atomic.Uint32
	chasers chan struct{} // holds a token for each goroutine that asks the engine
	chasing sync.WaitGroup
	ctx     context.Context // of what chasers ask
	stop    context.CancelFunc

	attached atomic.Uint64

	mu    sync.Mutex
	count int
	empty chan struct{} // closed when count comes to 0; nil: nobody waits
}

// NewPool starts a pool for the hub. Close it. The error matches errors.ErrUnsupported where the system has no reactor.
func NewPool(hub *todoke.Hub, o Options) (*Pool, error) {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Pool{hub: hub, o: o, seed: maphash.MakeSeed(), chasers: make(chan struct{}, maxChasers)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	for range o.Workers {
		w, err := newWorker(p)
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("start a reactor: %w", err)
		}
		p.workers = append(p.workers, w)
	}
	return p, nil
}

// Attach detaches conn from net/http and makes it l's connection; start is then called at the worker's turn. What net/http has read of the
// peer beyond its request is not the link's: start gives it to the transport's Input where it matters. sub is the first subscription that is going to be added; it decides which worker, so that the readers of a
// channel are kept together. An error with errors.ErrUnsupported leaves conn as it was; after any other it is closed.
func (p *Pool) Attach(l *Link, conn net.Conn, sub *todoke.Subscription, start func()) error {
	fd, err := reactor.Detach(conn, unanswered)
	if errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err != nil {
		conn.Close()
		return err
	}
	p.add(1)
	p.attached.Add(1)
	w := p.choose(sub)
	l.worker = w
	accepted := w.reactor.Do(func() {
		if err := w.reactor.Add(&l.conn, fd, (*events)(l)); err != nil {
			p.o.Logger.Warn("a connection was lost", "error", err)
			l.ended(err)
			return
		}
		start()
	})
	if !accepted {
		reactor.Discard(fd)
		p.add(-1)
		return errStopped
	}
	return nil
}

var errStopped = errors.New("the pool is closed")

// choose finds the worker for the readers of a channel.
func (p *Pool) choose(sub *todoke.Subscription) *worker {
	if len(p.workers) == 1 {
		return p.workers[0]
	}
	n := p.next.Add(1)
	if sub != nil {
		n = uint32(maphash.String(p.seed, sub.Channels()[0])) + uint32(sub.Audience()/readersTogether)
	}
	return p.workers[n%uint32(len(p.workers))]
}

// Links is how many there are.
func (p *Pool) Links() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Attached is how many links there have been.
func (p *Pool) Attached() uint64 { return p.attached.Load() }

func (p *Pool) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count += n
	if p.count == 0 && p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
}

// Wait returns when there are no links, or with ctx's error: after Hub.Drain every link ends once it is caught up.
func (p *Pool) Wait(ctx context.Context) error {
	p.mu.Lock()
	if p.count == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.empty == nil {
		p.empty = make(chan struct{})
	}
	empty := p.empty
	p.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close cuts every link and ends the workers. It may be called again.
func (p *Pool) Close() {
	for _, w := range p.workers {
		w.reactor.Stop()
	}
	p.stop() // when the links are cut: or they would tell their peers of an engine that fails
	p.chasing.Wait()
}

// A worker serves a share of the links.
type worker struct {
	pool     *Pool
	reactor  *reactor.Worker
	follower *todoke.Follower
	again    []*Link // that were stopped in the middle so that others have their turn; owned by whose turn it is
	turn     []*Link
}

func newWorker(p *Pool) (*worker, error) {
	w := &worker{pool: p}
	ready := make(chan struct{}) // the reactor may call work before it is returned
	var err error
	w.reactor, err = reactor.New(func(most int) (int, bool) {
		<-ready
		return w.work(most)
	}, p.o.Logger)
	if err != nil {
		return nil, err
	}
	w.follower = p.hub.NewFollower(w.reactor.Wake)
	close(ready)
	return w, nil
}

// work gives readers what is new.
func (w *worker) work(most int) (visits int, more bool) {
	n := min(len(w.again), most) // who has borrowed the turn is not to do it for all of them
	w.turn = append(w.turn[:0], w.again[:n]...)
	rest := copy(w.again, w.again[n:])
	clear(w.again[rest:])
	w.again = w.again[:rest]
	for i, l := range w.turn {
		w.turn[i] = nil
		l.goOn()
	}
	visits, more = w.follower.Turn(most)
	return n + visits, more || len(w.again) > 0
}
