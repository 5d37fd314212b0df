// Package enginetest is the suite that every engine passes: each promise in the comments of
// [todoke.Engine], [todoke.Sink] and [todoke.Range] as a scenario with a name. An implementation brings a
// [Harness] and one call:
//
//	func TestEngine(t *testing.T) {
//		enginetest.Run(t, enginetest.Harness{New: func(t *testing.T) todoke.Engine { return redis.New(…) }})
//	}
//
// What an implementation cannot do is a field of the Harness that is nil; Run logs the scenarios that are left
// out because of it (go test -v shows the list). A scenario opens an engine of its own and closes it.
// Scenarios wait for conditions, at most for half a minute each, never for a fixed while.
//
// Where the contract leaves room the suite does too: when the state of a channel is dropped (an exact loss is
// as good as a possible one), how many of a channel's expired names Channels still gives, whether a slow sink
// holds publishers back or gets holes. It does not measure speed.
package enginetest

import (
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Harness is how the suite gets at an implementation, and what it may ask of it.
type Harness struct {
	// New returns an engine that is not opened, on an empty store of its own, with an idempotency window
	// that does not end during a test (the default will do). The suite opens and closes it; what else has
	// to be cleaned up is registered with t. Required.
	New func(t *testing.T) todoke.Engine
	// NewWindow is New with the given idempotency window. Nil: the window cannot be set.
	NewWindow func(t *testing.T, window time.Duration) todoke.Engine
	// Reopen closes e and returns another engine, not opened, on the same store. Nil: the log does not
	// outlive the engine.
	Reopen func(t *testing.T, e todoke.Engine) todoke.Engine
	// Kill ends e's store without a word, as kill -9 does, and returns an engine, not opened, on what is
	// left. Calls of e may be under way. Nil: it cannot be killed here.
	Kill func(t *testing.T, e todoke.Engine) todoke.Engine

	// Wipe takes everything from the store of e, which goes on, as an operator does who deletes it. Nil: it cannot be wiped
	// while it is open.
	Wipe func(t *testing.T, e todoke.Engine)

	// MaxAgeLag is how much longer than its Retention.Age, or its TTL, a message may still be read.
	MaxAgeLag time.Duration
	// MaxData is the size of the huge message, in bytes. 0: 4 MiB.
	MaxData int

	// StoreHeap is how many bytes the store itself takes of this process's memory, at most: for an engine that brings its store along.
	StoreHeap int64

	// Small: scenarios with many messages take fewer, as with -short. For stores that are slow where they are tried.
	Small bool
	// SharedHorizon: the log keeps one horizon for all namespaces, so that dropped state of one may tell
	// readers of another of a possible loss. False: each namespace has its own.
	SharedHorizon bool
	// KeepsState: the state of a channel outlives its messages, and no loss is ever just possible.
	// False: it is dropped some time after the last message expired.
	KeepsState bool
	// InProcess: the engine lives in this process alone and waits for nothing outside of it, so that
	// what depends on time runs under testing/synctest, to the millisecond.
	InProcess bool
}

// A scenario is one promise. lacks returns what the harness would need and does not have, or "".
type scenario struct {
	name  string
	run   func(t *testing.T, h Harness)
	lacks func(h Harness) string
}

// Run runs all scenarios as subtests of t, one after the other.
func Run(t *testing.T, h Harness) {
	if h.New == nil {
		t.Fatal("enginetest: Harness.New is required")
	}
	if h.MaxData == 0 {
		h.MaxData = 4 << 20
	}
	for _, group := range [][]scenario{
		orderScenarios, readScenarios, tailScenarios, retentionScenarios, lossScenarios, ageScenarios, onceScenarios,
		channelScenarios, contentScenarios, lifeScenarios, storeScenarios, slowScenarios, modelScenarios,
	} {
		for _, s := range group {
			if s.lacks != nil {
				if what := s.lacks(h); what != "" {
					t.Logf("not shown: %q: %s", s.name, what)
					continue
				}
			}
			t.Run(s.name, func(t *testing.T) { s.run(t, h) })
		}
	}
	if h.SharedHorizon {
		t.Log("weaker: SharedHorizon is set, so namespaces may disturb each other with possible losses")
	}
	if h.KeepsState {
		t.Log("weaker: KeepsState is set, so nothing shows that idle channels cost nothing")
	}
}

func (h Harness) small() bool { return h.Small || testing.Short() }

func needsWindow(h Harness) string {
	if h.NewWindow == nil {
		return "Harness.NewWindow is nil: the idempotency window cannot be set"
	}
	return ""
}

func needsReopen(h Harness) string {
	if h.Reopen == nil {
		return "Harness.Reopen is nil: the log does not outlive the engine"
	}
	return ""
}

func needsKill(h Harness) string {
	if h.Kill == nil {
		return "Harness.Kill is nil: it cannot be killed here"
	}
	return ""
}

func needsWipe(h Harness) string {
	if h.Wipe == nil {
		return "Harness.Wipe is nil: the store cannot be wiped while it is open"
	}
	return ""
}

func needsFakeTime(h Harness) string {
	if !h.InProcess {
		return "Harness.InProcess is false: time cannot be turned"
	}
	return ""
}
