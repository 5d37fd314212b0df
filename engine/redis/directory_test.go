//go:build unix

package redis_test

import (
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/directorytest"
	"github.com/todoke-dev/todoke/engine/redis"
)

// TestDirectory runs the suite on one server; each test has a prefix, and so a directory, of its own.
func TestDirectory(t *testing.T) {
	s := start(t)
	prefixes, engines := map[*testing.T]string{}, map[todoke.Directory]*redis.Engine{}
	directorytest.Run(t, directorytest.Harness{
		Join: func(t *testing.T, node string, ttl time.Duration) todoke.Directory {
			if prefixes[t] == "" {
				prefixes[t] = prefix()
			}
			e := openOn(t, s.url(prefixes[t]))
			d, err := e.NewDirectory(node, ttl)
			if err != nil {
				t.Fatal(err)
			}
			engines[d] = e
			return d
		},
		Cut: func(t *testing.T, d todoke.Directory) {
			if err := engines[d].Close(); err != nil {
				t.Error(err)
			}
		},
	})
}
