//go:build unix

package redis_test

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
	"github.com/todoke-dev/todoke/engine/redis"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// A bench is what a harness needs to know of its engines: the prefix of each.
type bench struct {
	*server
	prefixes map[todoke.Engine]string
}

func newBench(s *server) *bench { return &bench{s, map[todoke.Engine]string{}} }

func (b *bench) make(window time.Duration) todoke.Engine { return b.on(b.server, prefix(), window) }

// on makes an engine for a prefix on a server.
func (b *bench) on(s *server, prefix string, window time.Duration) todoke.Engine {
	e := s.engine(prefix, func(o *redis.Options) { o.IdempotencyWindow = window })
	b.prefixes[e] = prefix
	return e
}

// again closes e, lets the server be ended and started in between, and makes another engine for the same prefix.
func (b *bench) again(t *testing.T, e todoke.Engine, between func()) todoke.Engine {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	between()
	return b.on(b.server, b.prefixes[e], 0)
}

func (b *bench) harness() enginetest.Harness {
	return enginetest.Harness{
		New:       func(*testing.T) todoke.Engine { return b.make(0) },
		NewWindow: func(_ *testing.T, window time.Duration) todoke.Engine { return b.make(window) },
		Reopen: func(t *testing.T, e todoke.Engine) todoke.Engine {
			return b.again(t, e, func() {})
		},
		MaxAgeLag: 5 * time.Millisecond,
	}
}

// TestEverysec: the usual configuration. A killed server may lose what it acknowledged, so its log begins a new epoch.
func TestEverysec(t *testing.T) {
	b := newBench(start(t, "--appendonly", "yes", "--appendfsync", "everysec"))
	h := b.harness()
	h.Kill = func(t *testing.T, e todoke.Engine) todoke.Engine {
		b.kill()
		return b.again(t, e, b.run)
	}
	enginetest.Run(t, h)
}

// TestAlways: every acknowledged message survives kill -9 at its offset, and a restart is not noticed. Each log has a server of
// its own, so that it does not take long to load.
func TestAlways(t *testing.T) {
	servers := map[todoke.Engine]*bench{}
	fresh := func(t *testing.T, window time.Duration) todoke.Engine {
		b := newBench(start(t, "--appendonly", "yes", "--appendfsync", "always"))
		e := b.make(window)
		servers[e] = b
		return e
	}
	again := func(t *testing.T, e todoke.Engine, end func(*server)) todoke.Engine {
		b := servers[e]
		next := b.again(t, e, func() { end(b.server); b.run() })
		servers[next] = b
		return next
	}
	h := newBench(nil).harness()
	h.New = func(t *testing.T) todoke.Engine { return fresh(t, 0) }
	h.NewWindow = fresh
	h.Reopen = func(t *testing.T, e todoke.Engine) todoke.Engine { return again(t, e, (*server).stop) }
	h.Kill = func(t *testing.T, e todoke.Engine) todoke.Engine {
		servers[e].kill()
		return again(t, e, (*server).kill)
	}
	enginetest.Run(t, h)
}
