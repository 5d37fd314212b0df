package nats

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A link is the connection to NATS, and whether it stands.
type link struct {
	nc *nats.Conn

	mu      sync.Mutex
	up      context.Context // ends when the connection is lost
	cut     context.CancelCauseFunc
	changed chan struct{} // closed, and made anew, when the connection is back
}

// dial connects once; later the connection is kept up for ever.
func dial(o Options, first ...nats.Option) (*link, error) {
	l := &link{changed: make(chan struct{})}
	l.up, l.cut = context.WithCancelCause(context.Background())
	options := append(first, o.Connect...)
	options = append(options,
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent fails at once: then nothing was appended
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(10*time.Second), nats.MaxPingsOutstanding(2),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			return rand.N(min(time.Duration(attempts+1)*50*time.Millisecond, 2*time.Second))
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.down(o.Logger, err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { l.back(o.Logger, nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { o.Logger.Debug("nats", "error", err) }),
	)
	nc, err := nats.Connect(o.URL, options...)
	if err != nil {
		l.cut(err)
		return nil, err
	}
	l.nc = nc
	return l, nil
}

func (l *link) down(log *slog.Logger, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut(errDisconnected)
	log.Warn("the connection to NATS is lost; trying again", "error", err)
}

func (l *link) back(log *slog.Logger, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut(errDisconnected)
	l.up, l.cut = context.WithCancelCause(context.Background())
	close(l.changed)
	l.changed = make(chan struct{})
	log.Info("connected to NATS again", "url", address)
}

// session returns a context of the present connection; ok is false when there is none.
func (l *link) session() (up context.Context, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up, l.up.Err() == nil
}

// await returns the context of a connection that stands, as soon as there is one.
func (l *link) await(ctx context.Context) (context.Context, error) {
	for {
		l.mu.Lock()
		up, changed := l.up, l.changed
		l.mu.Unlock()
		if up.Err() == nil {
			return up, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// close ends the connection; what waits for an answer on it is ended.
func (l *link) close() {
	l.nc.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut(errDisconnected)
}

// bounded returns a context that ends with ctx, with the connection, after the engine's timeout, or at Close. The error is
// CodeUnavailable when there is no connection.
func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc, error) {
	up, ok := e.link.session()
	if !ok {
		return nil, nil, e.failed(ctx, "nats", errDisconnected)
	}
	bound, cancel := context.WithTimeoutCause(ctx, e.o.Timeout, fmt.Errorf("no answer for %v", e.o.Timeout))
	bound, cut := context.WithCancelCause(bound)
	stopUp := context.AfterFunc(up, func() { cut(errDisconnected) })
	stopLife := context.AfterFunc(e.life, func() { cut(errClosed()) })
	return bound, func() { stopUp(); stopLife(); cut(nil); cancel() }, nil
}

// redact takes users and passwords out of the addresses, for errors and logs.
func redact(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, part := range parts {
		if at := strings.LastIndexByte(part, '@'); at >= 0 {
			scheme, _, found := strings.Cut(part, "://")
			if !found {
				scheme = "nats"
			}
			parts[i] = scheme + "://" + part[at+1:]
		}
	}
	return strings.Join(parts, ",")
}
