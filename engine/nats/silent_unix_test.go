//go:build unix

package nats_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// A server that does not answer leaves the outcome unknown; repeated, the message has its first place.
func TestSilentStore(t *testing.T) {
	servers := startServers(t, 1)
	e := opened(t, nats.Options{URL: servers.url(), Timeout: 2 * time.Second})
	put(t, e, "a", "before")
	process := servers.running[0].Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Signal(syscall.SIGCONT) })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	m := todoke.Message{Channel: "a", Data: []byte("once"), IdempotencyKey: "k"}
	_, err := publish(ctx, e, m)
	if !errors.Is(err, todoke.CodeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that ended: %v", err)
	}
	_, err = publish(context.Background(), e, m)
	if !errors.Is(err, todoke.CodeUnknown) {
		t.Errorf("after the engine's own time: %v", err)
	}
	if _, err := e.Head(context.Background()); !errors.Is(err, todoke.CodeUnavailable) {
		t.Errorf("Head: %v", err)
	}
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r := until(t, e, todoke.Message{Channel: "a", Data: []byte("once"), IdempotencyKey: "k", Type: todoke.TypeText})
	if got, _ := texts(t, e, "a", 0); !slices.Equal(got, []string{"before", "once"}) {
		t.Errorf("read %q", got)
	}
	if !r.Duplicate || r.Position.Offset != 3 {
		t.Errorf("repeated: %+v", r)
	}
}
