package nats_test

import (
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
	"github.com/todoke-dev/todoke/engine/nats"
)

// lag is how much longer than its age a message may be read: the clock is the same one here, and reading is exact.
const lag = 5 * time.Millisecond

// TestEmbedded runs the suite with a server in this process, each engine on a directory of its own.
func TestEmbedded(t *testing.T) {
	dirs := map[todoke.Engine]string{}
	on := func(dir string, window time.Duration) todoke.Engine {
		e := nats.New(nats.Options{Dir: dir, IdempotencyWindow: window, Logger: quiet()})
		dirs[e] = dir
		return e
	}
	enginetest.Run(t, enginetest.Harness{
		New:       func(t *testing.T) todoke.Engine { return on(t.TempDir(), 0) },
		NewWindow: func(t *testing.T, window time.Duration) todoke.Engine { return on(t.TempDir(), window) },
		Reopen: func(t *testing.T, e todoke.Engine) todoke.Engine {
			shut(t, e)
			return on(dirs[e], 0)
		},
		Small:     raced,
		MaxAgeLag: lag,
		// The server keeps what was written in the last ten seconds in memory, so here all of it; that nothing else does, the
		// same engine shows on servers outside.
		StoreHeap:     160 << 20,
		SharedHorizon: true,
		KeepsState:    true, // what the stream itself deletes is tried in loss_test.go
	})
}

// TestExternal runs the suite on a server of its own process, each engine with a stream of its own.
func TestExternal(t *testing.T) {
	outside(t, startServers(t, 1), 1)
}

// TestCluster runs the suite on three servers, with three replicas.
func TestCluster(t *testing.T) {
	outside(t, startServers(t, 3), 3)
}

func outside(t *testing.T, servers *servers, replicas int) {
	prefixes := map[todoke.Engine]string{}
	on := func(prefix string, window time.Duration) todoke.Engine {
		e := nats.New(nats.Options{URL: servers.url(), Prefix: prefix, Replicas: replicas, IdempotencyWindow: window, Logger: quiet()})
		prefixes[e] = prefix
		return e
	}
	enginetest.Run(t, enginetest.Harness{
		New:       func(t *testing.T) todoke.Engine { return on(servers.prefix(t), 0) },
		NewWindow: func(t *testing.T, window time.Duration) todoke.Engine { return on(servers.prefix(t), window) },
		Reopen: func(t *testing.T, e todoke.Engine) todoke.Engine {
			shut(t, e)
			return on(prefixes[e], 0)
		},
		Kill: func(t *testing.T, e todoke.Engine) todoke.Engine {
			servers.kill(t)
			servers.start(t)
			return on(prefixes[e], 0)
		},
		Wipe: func(t *testing.T, e todoke.Engine) {
			if err := servers.connect(t).DeleteStream(within(t), prefixes[e]); err != nil {
				t.Fatal(err)
			}
		},
		Small:         true, // the many are tried on the embedded server, without the race detector
		MaxAgeLag:     lag,
		SharedHorizon: true,
		KeepsState:    true,
	})
}
