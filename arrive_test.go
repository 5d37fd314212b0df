package todoke_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
)

// A reader that comes from a node which is ahead waits until this one has come as far: it is given nothing again, and its position does not
// go back.
func TestAReaderFromANodeThatIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newOutage()
		hub := newHub(t, todoke.Options{Engine: engine})
		at := publish(t, hub, "a", "1")
		engine.set(func() { engine.deaf = true })
		engine.others(t, "2")
		at.Offset++
		for name, channels := range map[string][]string{"one channel": {"a"}, "a pattern": {"*"}} {
			if _, err := hub.Subscribe(t.Context(), channels, todoke.After(at)); !errors.Is(err, todoke.CodeUnavailable) || todoke.AsError(err).RetryAfter == 0 {
				t.Errorf("%s on a node that does not come: %v", name, err)
			}
		}
		if _, err := hub.History(t.Context(), todoke.Query{Channels: []string{"a"}, Since: todoke.After(at)}); !errors.Is(err, todoke.CodeUnavailable) {
			t.Errorf("a page on a node that does not come: %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			engine.set(func() { engine.deaf = false })
			engine.others(t, "3")
		}()
		began := time.Now()
		sub := subscribe(t, hub, todoke.After(at), "*")
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("it waited %v", waited)
		}
		synctest.Wait()
		if got := pending(t, sub); got != "a=3" {
			t.Errorf("it got %s", got)
		}
		at.Offset += 99
		if _, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.After(at)); !errors.Is(err, todoke.CodeInvalidPosition) {
			t.Errorf("beyond the log: %v", err)
		}
	})
}
