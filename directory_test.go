package todoke_test

import (
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/directorytest"
)

// A board alone is the directory of a single node.
func TestBoard(t *testing.T) {
	directorytest.Run(t, directorytest.Harness{
		Join: func(_ *testing.T, node string, _ time.Duration) todoke.Directory { return todoke.NewBoard(node) },
	})
}
