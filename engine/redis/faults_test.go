//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// refuses fails unless a publish gets CodeUnavailable, with a time to try again, and appends nothing.
func refuses(t *testing.T, e todoke.Engine, what string) {
	t.Helper()
	before, err := e.Head(t.Context())
	if err != nil {
		t.Fatalf("%s: Head: %v", what, err)
	}
	_, err = publish(t.Context(), e, "a", "x")
	if !errors.Is(err, todoke.CodeUnavailable) || todoke.AsError(err).RetryAfter == 0 {
		t.Errorf("%s: Publish: %v", what, err)
	}
	if after, err := e.Head(t.Context()); err != nil || after != before {
		t.Errorf("%s: the head went from %v to %v (%v)", what, before, after, err)
	}
}

// TestRefused: Redis says that it cannot take messages just now; readers are not concerned.
func TestRefused(t *testing.T) {
	s := start(t, "--appendonly", "yes")
	e := openOn(t, s.url("t"))
	last := mustPublish(t, e, 3)
	for _, tt := range []struct{ what, name, bad, good string }{
		{"out of memory", "maxmemory", "1", "0"},
		{"too few replicas", "min-replicas-to-write", "1", "0"},
	} {
		s.do("CONFIG", "SET", tt.name, tt.bad)
		refuses(t, e, tt.what)
		page, err := e.Read(t.Context(), todoke.Range{Channel: "a", UpTo: last.Offset, Limit: 10})
		if err != nil || len(page.Messages) != int(last.Offset) {
			t.Errorf("%s: Read: %d messages, %v", tt.what, len(page.Messages), err)
		}
		s.do("CONFIG", "SET", tt.name, tt.good)
		last = mustPublish(t, e, 1)
	}
}

// TestReplicaIsRefused: an engine that is given a replica says so at Open.
func TestReplicaIsRefused(t *testing.T) {
	primary, replica := pair(t)
	e := openOn(t, primary.url("t"))
	mustPublish(t, e, 1)
	inStep(t, primary, replica)
	opensNot(t, newEngine(t, replica.url("t")), "it is a replica; give the primary's address")
}

// TestSilent: the server is there and says nothing. Calls end with their context, and a publish says that it may have
// happened; afterwards all goes on.
func TestSilent(t *testing.T) {
	s := start(t)
	e := openOn(t, s.url("t"))
	tail := follow(t, e)
	mustPublish(t, e, 3)
	s.pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := publish(ctx, e, "a", "x")
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, todoke.CodeUnknown) {
		t.Errorf("Publish: %v", err)
	}
	if _, err := e.Head(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Head: %v", err)
	}
	if _, _, err := e.Channels(ctx, "**", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Channels: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("calls bounded to 200 ms took %v", took)
	}
	s.resume()
	at := settled(t, e)
	waitFor(t, "the tail goes on", func() bool { return tail.has(at) })
}

// TestUnreachable: without a server calls end quickly, and Tail with them; with the server back all goes on. The server syncs
// each write, so that the log is the same.
func TestUnreachable(t *testing.T) {
	s := start(t, "--appendonly", "yes", "--appendfsync", "always")
	e := openOn(t, s.url("t"))
	before := mustPublish(t, e, 3)
	if caps := e.Caps(); caps != (todoke.Caps{Process: true, Machine: true, Fenced: true}) {
		t.Errorf("the caps are %+v", caps)
	}
	tailed := make(chan error, 1)
	go func() { tailed <- e.Tail(t.Context(), todoke.Position{}, &recorder{}) }()
	s.kill()
	if err := <-tailed; !errors.Is(err, todoke.CodeUnavailable) {
		t.Errorf("Tail: %v", err)
	}
	waitFor(t, "a publish is refused", func() bool {
		_, err := publish(t.Context(), e, "a", "x")
		return errors.Is(err, todoke.CodeUnavailable) && todoke.AsError(err).RetryAfter > 0
	})
	if _, err := e.Head(t.Context()); !errors.Is(err, todoke.CodeUnavailable) {
		t.Errorf("Head: %v", err)
	}
	if _, err := e.Read(t.Context(), todoke.Range{Channel: "a", UpTo: 3, Limit: 10}); !errors.Is(err, todoke.CodeUnavailable) {
		t.Errorf("Read: %v", err)
	}
	s.run()
	if at := settled(t, e); at.Epoch != before.Epoch || at.Offset <= before.Offset {
		t.Errorf("%v was published after %v", at, before)
	}
}

// TestTellsWhatIsNotKept: the caps follow the server's configuration, and what loses acknowledged messages is warned of.
func TestTellsWhatIsNotKept(t *testing.T) {
	for _, tt := range []struct {
		args []string
		caps todoke.Caps
		warn string
	}{
		{[]string{"--appendonly", "no"}, todoke.Caps{Fenced: true}, "appendonly is off"},
		{[]string{"--appendonly", "yes"}, todoke.Caps{Fenced: true}, "appendfsync is everysec"},
		{[]string{"--appendonly", "yes", "--appendfsync", "always"}, todoke.Caps{Process: true, Machine: true, Fenced: true}, ""},
		{[]string{"--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes"}, todoke.Caps{Process: true, Fenced: true}, "no-appendfsync-on-rewrite is on"},
		{[]string{"--appendonly", "yes", "--rename-command", "CONFIG", ""}, todoke.Caps{Fenced: true}, "CONFIG GET is not permitted"},
	} {
		t.Run(fmt.Sprint(tt.args), func(t *testing.T) {
			log := &lines{}
			e := openOn(t, start(t, tt.args...).url("t"), log.into)
			if caps := e.Caps(); caps != tt.caps {
				t.Errorf("the caps are %+v, want %+v", caps, tt.caps)
			}
			if tt.warn == "" && log.String() != "" || !log.contains(tt.warn) {
				t.Errorf("logged:\n%s\nwant %q", log, tt.warn)
			}
		})
	}
}
