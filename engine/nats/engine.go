package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/todoke-dev/todoke"
)

// mostBatches is how many batches of one engine are under way at a time. JetStream takes 50 a stream.
const mostBatches = 16

// leastLevel is the API level of nats-server 2.12.
const leastLevel = 2

// An Engine keeps the log in JetStream. It implements todoke.Engine.
type Engine struct {
	o       Options
	faulty  error // of the options; Open tells it
	classes classes
	batches chan struct{}

	life    context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup // follow

	mu     sync.Mutex // held by Open and Close throughout
	opened bool
	ready  context.Context // ends when Open has succeeded: then what follows is set
	isOpen context.CancelFunc

	data     *dataDir  // nil without an embedded server
	embedded *embedded // nil without
	link     *link
	js       jetstream.JetStream
	getter   *getter

	view view
}

var _ todoke.Engine = (*Engine)(nil)

// New returns an engine. Nothing happens before Open, which a hub calls; faults of the options are told there.
func New(o Options) *Engine {
	e := &Engine{batches: make(chan struct{}, mostBatches)}
	e.o, e.faulty = o.resolve()
	e.life, e.end = context.WithCancel(context.Background())
	e.ready, e.isOpen = context.WithCancel(context.Background())
	e.classes.slack = defaultSlack
	e.classes.known = make(map[*todoke.Retention]*class)
	e.view.moved.L = &e.view.mu
	return e
}

// Open implements todoke.Engine. It starts the embedded server or connects, makes the stream or checks the one that is there, and
// does not return before the log can be read and written.
func (e *Engine) Open(ctx context.Context, retention func(channel string) *todoke.Retention) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.life.Err() != nil:
		return errClosed()
	case e.opened:
		return errors.New("the engine is open already; each hub needs an engine of its own")
	case e.faulty != nil:
		return fmt.Errorf("nats: %w", e.faulty)
	}
	e.opened = true
	e.classes.of = retention
	ctx, cancel := context.WithTimeoutCause(ctx, e.o.StartTimeout, fmt.Errorf("not ready after %v", e.o.StartTimeout))
	defer cancel()
	if err := e.open(ctx); err != nil {
		return errors.Join(fmt.Errorf("nats: %w", err), e.shut())
	}
	e.isOpen()
	return nil
}

func (e *Engine) open(ctx context.Context) (err error) {
	var doubt string
	if e.o.embedded() {
		if doubt, err = e.startEmbedded(ctx); err != nil {
			return err
		}
		e.link, err = dial(e.o, e.embedded.options()...)
	} else {
		e.link, err = dial(e.o)
	}
	if err != nil {
		return e.o.unreachable(err)
	}
	if has, level := e.link.nc.ConnectedServerJetStream(); has && level < leastLevel {
		return fmt.Errorf("the NATS server at %s is version %s; atomic batches need 2.12 or later", redact(e.o.URL), e.link.nc.ConnectedServerVersion())
	}
	if e.js, err = jetstream.New(e.link.nc); err != nil {
		return err
	}
	if e.getter, err = newGetter(e.link.nc, e.o.Prefix); err != nil {
		return err
	}
	info, err := e.ensureStream(ctx)
	if err != nil {
		return err
	}
	known, seen := e.data.expects()
	if known == "" && doubt == "" {
		if err := e.data.check(todoke.Offset(info.State.LastSeq)); err != nil {
			return err
		}
	}
	h, err := e.verify(ctx, known, seen, doubt)
	if err != nil {
		return err
	}
	e.view.mu.Lock()
	e.view.adopt(h.record, h.last)
	e.view.mu.Unlock()
	e.data.watermark(h.last, h.record.Epoch)
	following, followed := context.WithCancel(ctx)
	defer followed()
	e.running.Go(func() { e.follow(followed) })
	<-following.Done()
	return context.Cause(ctx)
}

// unreachable says what to do about an address.
func (o Options) unreachable(err error) error {
	where := redact(o.URL)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrNoUserCB):
		return fmt.Errorf("NATS at %s refuses the credentials: %w; check user and password, token or credentials file", where, err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("no NATS server answers at %s: %w; check the address, and that it runs", where, err)
	}
	return fmt.Errorf("connect to NATS at %s: %w", where, err)
}

// Caps implements todoke.Engine. Stale writers are refused: only the stream's leader gives offsets, and it needs a majority.
func (e *Engine) Caps() todoke.Caps {
	return todoke.Caps{
		Process: true,
		Machine: e.o.Replicas > 1 || e.o.embedded() && e.o.SyncInterval < 0,
		Node:    e.o.Replicas > 1,
		Fenced:  true,
	}
}

// Head implements todoke.Engine.
func (e *Engine) Head(ctx context.Context) (todoke.Position, error) {
	if err := ctx.Err(); err != nil {
		return todoke.Position{}, fmt.Errorf("head: %w", err)
	}
	if err := e.usable(); err != nil {
		return todoke.Position{}, err
	}
	bound, cancel, err := e.bounded(ctx)
	if err != nil {
		return todoke.Position{}, err
	}
	defer cancel()
	head, err := e.catchUp(bound)
	if err != nil {
		return todoke.Position{}, e.failed(ctx, "head", err)
	}
	return head, nil
}

// Close implements todoke.Engine.
func (e *Engine) Close() error {
	e.end() // before the lock: it ends an Open too
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.shut()
}

// shut releases what open has got hold of. It may be called again. e.mu is held.
func (e *Engine) shut() error {
	e.end()
	e.view.mu.Lock()
	e.view.moved.Broadcast()
	head, epoch := e.view.ring.head(), e.view.epoch
	e.view.mu.Unlock()
	e.running.Wait()
	if e.link != nil {
		e.link.close()
	}
	e.embedded.stop()
	var err error
	if e.ready.Err() != nil {
		err = e.data.leave(head, epoch)
	}
	err = errors.Join(err, e.data.unlock())
	e.embedded, e.data = nil, nil
	return err
}

// usable reports why the engine cannot be used.
func (e *Engine) usable() error {
	switch {
	case e.life.Err() != nil:
		return errClosed()
	case e.ready.Err() == nil:
		return &todoke.Error{Code: todoke.CodeInternal, Hint: "the engine was not opened; a hub does that"}
	}
	return nil
}

// replicas is how many servers keep the stream.
func (e *Engine) replicas() int { return e.o.Replicas }
