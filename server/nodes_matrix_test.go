//go:build unix

package server

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/storetest"
	"github.com/todoke-dev/todoke/transport/transporttest"
)

// A reader that is cut on one node over one transport resumes on the other over any other.
func TestTransportsAcrossNodesOverRedis(t *testing.T) {
	store := storetest.Redis(t, "--appendfsync", "everysec")
	count := 0
	acrossNodes(t, func() string {
		count++
		return fmt.Sprintf("%s?prefix=t%d", store.URL, count)
	})
}

func TestTransportsAcrossNodesOverNATS(t *testing.T) {
	store := storetest.NATS(t)
	count := 0
	acrossNodes(t, func() string {
		count++
		return fmt.Sprintf("%s/t%d", store.URL, count)
	})
}

// acrossNodes runs the matrix on pairs of servers; engine names a new log.
func acrossNodes(t *testing.T, engine func() string) {
	setup := func(t testing.TB, _ todoke.Options) (all []transporttest.Server) {
		url := engine()
		for range 2 {
			all = append(all, node(t, url))
		}
		return all
	}
	transporttest.RunClusterMatrix(t, setup, transporttest.Drivers())
}

// node serves until the test ends. It does not wait for the readers that are left.
func node(t testing.TB, engine string) transporttest.Server {
	t.Helper()
	c := Defaults()
	c.Dev, c.Listen, c.Logger, c.Engine = true, "localhost:0", slog.New(slog.DiscardHandler), engine
	c.StopSpread = 0
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	t.Cleanup(func() {
		_ = s.Shutdown() // readers may be left
		<-served
	})
	if err := s.Listen(); err != nil {
		s.Shutdown()
		served <- err
		t.Fatal(err)
	}
	go func() { served <- s.Serve() }()
	return transporttest.Server{Hub: s.Hub(), URL: s.URL()}
}
