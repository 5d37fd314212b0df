package todoke_test

import (
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
)

// The memory engine passes the suite of all engines, on time to the millisecond. Its log ends with it: there is
// nothing to reopen, and a kill is the end of the process.
func TestMemory(t *testing.T) {
	enginetest.Run(t, enginetest.Harness{
		New: func(*testing.T) todoke.Engine { return todoke.NewMemory(todoke.MemoryOptions{}) },
		NewWindow: func(_ *testing.T, window time.Duration) todoke.Engine {
			return todoke.NewMemory(todoke.MemoryOptions{IdempotencyWindow: window})
		},
		InProcess: true,
	})
}
