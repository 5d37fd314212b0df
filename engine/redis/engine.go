package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// An Engine keeps the log in Redis. Any number of them, on any number of nodes, share one log.
type Engine struct {
	options   Options
	dial      rueidis.ClientOption
	log       *slog.Logger
	lib       library
	prefix    string
	retention func(string) *todoke.Retention

	client  rueidis.Client
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	ready   atomic.Bool
	closed  atomic.Bool
	running sync.WaitGroup // the sweeper
	opening chan struct{}  // holds one: who opens the server
	joiner  joiner
	average atomic.Int64 // bytes of an entry, of those that were read last
	grouped atomic.Int64 // … and messages of one

	mu      sync.Mutex
	history history
	opened  int
	facts   facts
	warned  map[string]bool
}

// New returns an engine; nothing is connected until Open. The error says which option is wrong, and repeats no password.
func New(o Options) (*Engine, error) {
	o, dial, err := o.resolve()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		options: o,
		dial:    dial,
		log:     o.Logger,
		lib:     newLibrary(),
		prefix:  "{" + o.Prefix + "}:",
		opening: make(chan struct{}, 1),
		warned:  map[string]bool{},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

func (e *Engine) key(name string) string { return e.prefix + name }

// Open implements todoke.Engine. It refuses, and changes nothing, when the server cannot be reached or let in to, is too old,
// may throw keys away, is in cluster mode, or when the prefix has keys of somebody else, of another version or of
// another cluster.
func (e *Engine) Open(ctx context.Context, retention func(string) *todoke.Retention) error {
	e.mu.Lock()
	again := e.client != nil
	e.mu.Unlock()
	switch {
	case e.closed.Load():
		return errClosed()
	case again:
		return &todoke.Error{Code: todoke.CodeInternal, Hint: "the engine is open already; each hub needs an engine of its own"}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	client, err := rueidis.NewClient(e.dial)
	if err != nil {
		return e.connectFault(err)
	}
	if err := e.open(ctx, client, 0); err != nil {
		client.Close()
		if ctx.Err() != nil || errors.As(err, new(*todoke.Error)) {
			return err
		}
		return e.connectFault(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		client.Close()
		return errClosed()
	}
	e.retention, e.client = retention, client
	e.ready.Store(true)
	e.running.Go(func() { e.sweep(client) })
	return nil
}

// connectFault says why the server is not of use, and where it is; not with which password.
func (e *Engine) connectFault(err error) error {
	text := err.Error()
	do := "is it running, and is the address right?"
	switch {
	case strings.Contains(text, "WRONGPASS"):
		do = "the user or the password is wrong"
	case strings.Contains(text, "NOAUTH"):
		do = "it asks for a password where the URL has none"
	case strings.Contains(text, "NOPERM"):
		do = "the user needs the permissions that docs/engines.md lists"
	case strings.Contains(text, "LOADING"):
		do = "it is still loading its data; try again soon"
	case strings.Contains(text, "READONLY"), strings.Contains(text, "MASTERDOWN"):
		do = "it is a replica; give the primary's address, or Sentinel's with master_set=NAME"
	}
	return unavailable("Redis at "+e.where()+" cannot be used: "+do, err)
}

// where is the address without user and password.
func (e *Engine) where() string {
	u, err := url.Parse(e.options.URL)
	if err != nil {
		return "the given URL"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// Caps implements todoke.Engine: what the server's configuration promises, as it was when it was looked at last. Before Open
// it is nothing.
func (e *Engine) Caps() todoke.Caps {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.facts == (facts{}) {
		return todoke.Caps{}
	}
	return e.facts.caps()
}

// Head implements todoke.Engine.
func (e *Engine) Head(ctx context.Context) (todoke.Position, error) {
	if err := e.usable(); err != nil {
		return todoke.Position{}, err
	}
	var g glance
	err := e.bounded(ctx, func() (err error) {
		g, _, err = e.glance(ctx, e.client, "")
		return err
	})
	if err != nil {
		return todoke.Position{}, e.fault(ctx, "head", err)
	}
	return todoke.Position{Epoch: g.epoch, Offset: g.head}, nil
}

// Close implements todoke.Engine. The log stays in Redis.
func (e *Engine) Close() error {
	e.mu.Lock()
	first, client := !e.closed.Swap(true), e.client
	e.mu.Unlock()
	e.cancel()
	if first && client != nil {
		client.Close()
	}
	e.running.Wait()
	return nil
}

// usable reports why the engine cannot be used.
func (e *Engine) usable() error {
	switch {
	case e.closed.Load():
		return errClosed()
	case !e.ready.Load():
		return &todoke.Error{Code: todoke.CodeInternal, Hint: "the engine was not opened; a hub does that", Err: fmt.Errorf("redis at %s", e.where())}
	}
	return nil
}

var _ todoke.Engine = (*Engine)(nil)
