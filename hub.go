package todoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// MaxChannels is the most channels and patterns of one Subscribe or History.
const MaxChannels = 100

// A Hub is a node: it publishes into the log that its engine keeps, follows the log, and gives readers
// what lies after their cursors. Its methods may be called from many goroutines.
type Hub struct {
	engine     Engine
	authorizer Authorizer
	log        *slog.Logger

	defaultNamespace *namespace
	namespaces       map[string]*namespace

	head     atomic.Uint64 // everything up to here was applied
	notified atomic.Uint64 // … and marked at the subscriptions of several channels; never beyond head
	// history is the present one; a subscription of another one starts anew.
	history atomic.Pointer[history]
	drain   atomic.Pointer[time.Duration]
	// drainHead was the head when the drain began: no reader of several channels ends before it was told of everything up to there.
	drainHead atomic.Uint64
	closed    atomic.Bool
	// era changes with the history, when the hub drains and when it is closed: whoever has looked at them need not again
	// until it does.
	era atomic.Uint64
	// immediate is the engine's: publishers wake the readers themselves.
	immediate bool
	health    health
	repairs   atomic.Uint64 // counts how often those that are parked were woken

	mu        sync.Mutex
	drainTold bool
	applied   Offset // everything up to here is in the topics that there were; ahead of head for a moment
	topics    map[string]*topic
	subs      map[*Subscription]struct{}
	index     patternIndex
	misses    map[string]struct{}        // channels that no pattern takes in: bounded, emptied when a pattern comes
	dirty     []*topic                   // have messages that the waker has not told of yet
	waking    bool                       // somebody is telling of some
	wakeup    wakeup                     // whose
	kick      chan struct{}              // capacity 1: to the waker
	parked    map[*Subscription]struct{} // wait for a log that cannot be reached
	arrivals  map[*arrival]struct{}
	opening   chan struct{} // closed at the first Epoch

	directory Directory
	selfMu    sync.Mutex // guards what follows; self.ID does not change
	self      Node
	told      Node // what the others know of it

	stop    context.CancelFunc
	running sync.WaitGroup // tail, waker, janitor, watch
}

// New opens the engine and returns a hub that follows it. Close it when done. The error is about the
// options, or the engine's.
func New(o Options) (*Hub, error) {
	h := &Hub{
		engine:     o.Engine,
		authorizer: o.Authorizer,
		log:        o.Logger,
		namespaces: make(map[string]*namespace, len(o.Namespaces)),
		topics:     make(map[string]*topic),
		subs:       make(map[*Subscription]struct{}),
		misses:     make(map[string]struct{}),
		kick:       make(chan struct{}, 1),
		opening:    make(chan struct{}),
		parked:     make(map[*Subscription]struct{}),
		health:     newHealth(),
		arrivals:   make(map[*arrival]struct{}),
	}
	if h.engine == nil {
		h.engine = NewMemory(MemoryOptions{})
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	if err := h.resolveNamespaces(o); err != nil {
		return nil, err
	}
	h.immediate = h.engine.Caps().Immediate
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	if err := h.engine.Open(ctx, h.retention); err != nil {
		cancel()
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	if err := h.joinDirectory(o.Version); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("join the other nodes: %w", err), h.engine.Close())
	}
	h.running.Go(func() { h.tail(ctx) })
	h.running.Go(func() { h.wakeReaders(ctx) })
	h.running.Go(func() { h.tidy(ctx) })
	if !h.immediate {
		h.running.Go(func() { h.watch(ctx) })
	}
	<-h.opening
	return h, nil
}

func (h *Hub) resolveNamespaces(o Options) (err error) {
	if h.defaultNamespace, err = o.Namespace.resolve(""); err != nil {
		return err
	}
	for name, options := range o.Namespaces {
		if err := ValidateChannel(name); err != nil || NamespaceOf(name) != "" {
			return errf(CodeInvalidParameter, "namespaces", "%q is no namespace: it is the part of a channel before the first ':'", name)
		}
		if h.namespaces[name], err = options.resolve(name); err != nil {
			return err
		}
	}
	return nil
}

// namespaceOf returns the options of a channel.
func (h *Hub) namespaceOf(channel string) *namespace {
	if len(h.namespaces) > 0 {
		if ns := h.namespaces[NamespaceOf(channel)]; ns != nil {
			return ns
		}
	}
	return h.defaultNamespace
}

func (h *Hub) retention(channel string) *Retention { return &h.namespaceOf(channel).retention }

// MaxMessageBytes returns how much data a message on the channel may have.
func (h *Hub) MaxMessageBytes(channel string) int { return h.namespaceOf(channel).maxBytes }

// Retention returns what the channel keeps.
func (h *Hub) Retention(channel string) Retention { return *h.retention(channel) }

// Conflation returns how a reader of the channel that is behind is caught up.
func (h *Hub) Conflation(channel string) Conflation { return h.namespaceOf(channel).conflation }

// Head returns the position of the newest message that this node has.
func (h *Hub) Head() Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at(Offset(h.head.Load()))
}

// A history is what the log is between two losses of it. Compared by pointer.
type history struct{ epoch string }

// at makes a position of the present history. h.mu is held, so that it does not change meanwhile.
func (h *Hub) at(offset Offset) Position { return Position{Epoch: h.epochNow(), Offset: offset} }

// epochNow is "" before the first history.
func (h *Hub) epochNow() string {
	if now := h.history.Load(); now != nil {
		return now.epoch
	}
	return ""
}

// tail follows the log until ctx ends; a lost store is tried again.
func (h *Hub) tail(ctx context.Context) {
	const shortest = 50 * time.Millisecond
	for wait := shortest; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := h.engine.Tail(ctx, h.tailPosition(), (*applier)(h))
		if ctx.Err() != nil || errors.Is(err, CodeClosed) {
			return
		}
		if h.health.following() {
			wait = shortest
		}
		h.health.tailEnded(err)
		h.log.Error("the log's tail ended; trying again", "error", err, "in", wait)
		h.rest(ctx, wait)
	}
}

// rest waits, at least a little, but not on when the log answers again.
func (h *Hub) rest(ctx context.Context, wait time.Duration) {
	least, most := time.After(min(wait, probeSoon)), time.After(wait)
	select {
	case <-least:
	case <-ctx.Done():
	}
	select {
	case <-h.health.repaired:
	case <-most:
	case <-ctx.Done():
	}
}

func (h *Hub) tailPosition() Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.history.Load() == nil {
		return Position{}
	}
	return h.at(Offset(h.head.Load()))
}

// Drain readies a stop: every subscription, once it is caught up, ends with an *Error with
// CodeRestarting, whose RetryAfter is its own random share of spread, and new ones are refused in the same
// way. Publishing goes on until Close.
func (h *Hub) Drain(spread time.Duration) {
	h.beginDrain(spread)
	if err := h.announce(func(*Node) {}); err != nil {
		h.log.Debug("other nodes were not told of the drain", "error", err)
	}
}

func (h *Hub) beginDrain(spread time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drainHead.Store(h.head.Load())
	h.drainTold = false
	h.drain.Store(&spread)
	h.era.Add(1)
	h.settle()
	h.rouseEach()
}

// tellDrained rouses readers once more when those of several channels were told of all that was published before the drain. h.mu is held.
func (h *Hub) tellDrained() {
	if h.drain.Load() == nil || h.drainTold || h.notified.Load() < h.drainHead.Load() {
		return
	}
	h.drainTold = true
	h.rouseEach()
}

// draining returns the error that a subscription ends with while the hub drains, or nil.
func (h *Hub) draining() error {
	spread := h.drain.Load()
	if spread == nil {
		return nil
	}
	share := time.Duration(0)
	if *spread > 0 {
		share = rand.N(*spread)
	}
	return &Error{Code: CodeRestarting, Hint: "the server is restarting; resume with the last position", RetryAfter: share.Round(time.Millisecond)}
}

// Close ends every subscription with CodeClosed and closes the engine. It may be called again.
func (h *Hub) Close() error {
	if h.closed.Swap(true) {
		return nil
	}
	h.era.Add(1)
	h.rouseAll()
	h.stop()
	err := errors.Join(h.directory.Close(), h.engine.Close())
	h.running.Wait()
	return err
}

// rouseAll has every reader look again, because more than its channels has changed.
func (h *Hub) rouseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rouseEach()
}

// rouseEach is rouseAll with h.mu held: no follower takes its turn here.
func (h *Hub) rouseEach() {
	var w wakeup
	for s := range h.subs {
		s.rouse(&w)
	}
	for _, c := range w.calls {
		c.follower.wake(manyVisits)
	}
}

func errHubClosed() error { return &Error{Code: CodeClosed, Hint: "the hub is closed"} }
