package enginetest_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
)

// faultVariable makes TestFaulty run the suite on an engine with the fault of that name: it must fail.
const faultVariable = "TODOKE_ENGINETEST_FAULT"

// TestFaulty is not a test of its own: TestSuiteNotices runs it in another process.
func TestFaulty(t *testing.T) {
	name := os.Getenv(faultVariable)
	if name == "" {
		t.Skip("run by TestSuiteNotices, with " + faultVariable)
	}
	for _, f := range faults {
		if f.name == name {
			enginetest.Run(t, harness(func(e todoke.Engine) todoke.Engine {
				a := &altered{Engine: e}
				f.make(a)
				return a
			}))
			return
		}
	}
	t.Skipf("there is no fault %q", name)
}

// harness is that of the memory engine, with each engine wrapped.
func harness(wrap func(todoke.Engine) todoke.Engine) enginetest.Harness {
	return enginetest.Harness{
		New: func(*testing.T) todoke.Engine { return wrap(todoke.NewMemory(todoke.MemoryOptions{})) },
		NewWindow: func(_ *testing.T, window time.Duration) todoke.Engine {
			return wrap(todoke.NewMemory(todoke.MemoryOptions{IdempotencyWindow: window}))
		},
		InProcess: true,
	}
}

// TestSuiteNotices puts faults into an engine, one at a time, and expects the scenario made for it to fail.
func TestSuiteNotices(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			subtest := strings.ReplaceAll(f.caught, " ", "_")
			cmd := exec.CommandContext(ctx, self, "-test.short", "-test.run=^TestFaulty$/^"+regexp.QuoteMeta(subtest)+"$")
			cmd.Env = append(os.Environ(), faultVariable+"="+f.name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaulty/"+subtest) {
				t.Errorf("the scenario %q did not notice: %v\n%s", f.caught, err, out)
			}
		})
	}
}

// TestSoundWrapper: what TestSuiteNotices notices is the fault, not the wrapper.
func TestSoundWrapper(t *testing.T) {
	enginetest.Run(t, harness(func(e todoke.Engine) todoke.Engine { return &altered{Engine: e} }))
}
