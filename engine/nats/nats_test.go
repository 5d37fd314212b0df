package nats_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
	"github.com/todoke-dev/todoke/engine/nats"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

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
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			return on(dirs[e], 0)
		},
		MaxAgeLag:     5 * time.Millisecond,
		SharedHorizon: true,
		KeepsState:    true,
	})
}
