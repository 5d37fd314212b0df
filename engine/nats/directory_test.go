package nats_test

import (
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/directorytest"
	"github.com/todoke-dev/todoke/engine/nats"
)

// TestDirectory runs the suite on a server of its own process; each test has a prefix, and so a directory, of its own.
func TestDirectory(t *testing.T) {
	servers := startServers(t, 1)
	prefixes, engines := map[*testing.T]string{}, map[todoke.Directory]*nats.Engine{}
	directorytest.Run(t, directorytest.Harness{
		Join: func(t *testing.T, node string, ttl time.Duration) todoke.Directory {
			if prefixes[t] == "" {
				prefixes[t] = servers.prefix(t)
			}
			e := nats.New(nats.Options{URL: servers.url(), Prefix: prefixes[t], Logger: quiet()})
			t.Cleanup(func() { shut(t, e) })
			if err := e.Open(within(t), keep); err != nil {
				t.Fatal(err)
			}
			d, err := e.NewDirectory(node, ttl)
			if err != nil {
				t.Fatal(err)
			}
			engines[d] = e
			return d
		},
		Cut: func(t *testing.T, d todoke.Directory) { shut(t, engines[d]) },
	})
}
