//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/enginetest"
	"github.com/todoke-dev/todoke/engine/redis"
)

// openOn opens an engine on a URL; it is closed with the test.
func openOn(t *testing.T, url string, change ...func(*redis.Options)) *redis.Engine {
	t.Helper()
	e := newEngine(t, url, change...)
	if err := e.Open(t.Context(), keepAll); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func publish(ctx context.Context, e todoke.Engine, channel, data string) (todoke.Position, error) {
	results := make([]todoke.Result, 1)
	err := e.Publish(ctx, []*todoke.Message{{Channel: channel, Type: todoke.TypeText, Data: []byte(data)}}, results)
	return results[0].Position, err
}

func mustPublish(t *testing.T, e todoke.Engine, n int) (last todoke.Position) {
	t.Helper()
	for i := range n {
		var err error
		if last, err = publish(t.Context(), e, "a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// settled publishes until it is taken, as a publisher does who was told to try again.
func settled(t *testing.T, e todoke.Engine) (at todoke.Position) {
	t.Helper()
	waitFor(t, "a publish is taken", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p, err := publish(ctx, e, "a", "again")
		at = p
		return err == nil
	})
	return at
}

// pair is a primary and a replica in step with it.
func pair(t *testing.T, args ...string) (primary, replica *server) {
	t.Helper()
	args = append([]string{"--appendonly", "yes"}, args...)
	primary, replica = start(t, args...), start(t, args...)
	replica.follow(primary)
	return primary, replica
}

func inStep(t *testing.T, primary, replica *server) {
	t.Helper()
	waitFor(t, "the replica has everything", func() bool {
		return primary.says("master_repl_offset") == replica.says("slave_repl_offset")
	})
}

// lag leaves the replica where it is.
func (s *server) lag() { s.do("REPLICAOF", "127.0.0.1", freePort(s.t)) }

func (s *server) promote() { s.do("REPLICAOF", "NO", "ONE") }

// TestPromoted: the suite's scenario of a kill, where a replica takes over which lacks what was acknowledged.
func TestPromoted(t *testing.T) {
	outer, killed := t, false
	b := newBench(start(t, "--appendonly", "yes"))
	h := b.harness()
	h.NewWindow, h.Reopen = nil, nil
	h.New = func(t *testing.T) todoke.Engine {
		if !strings.Contains(t.Name(), "kill") {
			t.Skip("TestEverysec shows it")
		}
		killed = true
		return b.make(0)
	}
	h.Kill = func(t *testing.T, e todoke.Engine) todoke.Engine {
		primary, replica := b.server, start(outer, "--appendonly", "yes")
		replica.follow(primary)
		replica.lag()
		at := mustPublish(t, e, 1) // which the replica does not get
		primary.kill()
		replica.promote()
		b.server = replica
		next := b.again(t, e, func() {})
		t.Logf("%v was lost", at)
		return next
	}
	enginetest.Run(t, h)
	if !killed {
		t.Error("the suite has no scenario of a kill any more")
	}
}

// TestFence: a replica that lacks acknowledged messages takes over, and later the old primary comes back. Each is a new epoch
// before anything of it is applied, and a publisher that knows the old one appends nothing to it.
func TestFence(t *testing.T) {
	primary, replica := pair(t)
	l := newLane(t, primary)
	e := openOn(t, l.url("t"))
	stays := openOn(t, primary.url("t")) // a node that nobody told
	tail := follow(t, e)
	inReplica := mustPublish(t, e, 10)
	inStep(t, primary, replica)
	replica.lag()
	lost := mustPublish(t, e, 5)
	waitFor(t, "the tail has all", func() bool { return tail.has(lost) })

	l.turn(replica)
	waitFor(t, "a publish to a replica is refused", func() bool {
		_, err := publish(t.Context(), e, "a", "to a replica")
		if !errors.Is(err, todoke.CodeUnavailable) && !errors.Is(err, todoke.CodeUnknown) { // a connection was cut meanwhile
			t.Fatalf("a publish to a replica: %v", err)
		}
		return errors.Is(err, todoke.CodeUnavailable) && todoke.AsError(err).RetryAfter > 0
	})
	replica.promote()
	second := settled(t, e)
	if second.Epoch == lost.Epoch || second.Offset != inReplica.Offset+1 {
		t.Errorf("after the promotion %v was published; before, %v was in the replica and %v was lost", second, inReplica, lost)
	}
	// A tail that is taken up anew begins at the head as it is then.
	waitFor(t, "the tail is in the new history", func() bool { return tail.reached(second) })
	second = mustPublish(t, e, 1)
	waitFor(t, "the tail has what is new in it", func() bool { return tail.has(second) })

	// The old primary was never ended: it still takes messages of those who are left with it, in the first epoch.
	beside := mustPublish(t, stays, 3)
	if beside.Epoch != lost.Epoch {
		t.Errorf("the old primary: %v", beside)
	}
	l.turn(primary)
	third := settled(t, e)
	if third.Epoch == second.Epoch || third.Epoch == lost.Epoch {
		t.Errorf("with the old primary back, %v was published; before %v and %v", third, lost, second)
	}
	waitFor(t, "the tail is in the third history", func() bool { return tail.reached(third) })
	third = mustPublish(t, e, 1)
	waitFor(t, "the tail has what is new in it", func() bool { return tail.has(third) })
	// The node that was left behind has a stale epoch: what it publishes goes into the new one.
	if p := mustPublish(t, stays, 1); p.Epoch != third.Epoch || p.Offset != third.Offset+1 {
		t.Errorf("the node that was left behind published %v after %v", p, third)
	}
}

// TestPromotedAndRestarted: synced to disk as it is, a replica that took over and was then restarted is not the server that
// was opened.
func TestPromotedAndRestarted(t *testing.T) {
	primary, replica := pair(t, "--appendfsync", "always")
	e := openOn(t, primary.url("t"))
	first := mustPublish(t, e, 5)
	inStep(t, primary, replica)
	waitFor(t, "the replica knows that the log went on", func() bool {
		m, err := replica.ask("HGET", "{t}:meta", "seated")
		text, _ := m.ToString()
		return err == nil && text == fmt.Sprint(first.Offset)
	})
	replica.lag()
	mustPublish(t, e, 5)
	primary.kill()
	replica.promote()
	replica.stop()
	replica.run()
	head, err := openOn(t, replica.url("t")).Head(t.Context())
	if err != nil || head.Epoch == first.Epoch {
		t.Errorf("the head is %v (%v); the epoch before was %s and messages were lost", head, err, first.Epoch)
	}
}

// TestRestartedWithReplica: the same server come back is the same epoch, replicas or not.
func TestRestartedWithReplica(t *testing.T) {
	primary, replica := pair(t, "--appendfsync", "always")
	e := openOn(t, primary.url("t"))
	tail := follow(t, e)
	mustPublish(t, e, 5)
	inStep(t, primary, replica)
	primary.kill()
	if _, err := publish(t.Context(), e, "a", "to nobody"); !errors.Is(err, todoke.CodeUnavailable) && !errors.Is(err, todoke.CodeUnknown) {
		t.Errorf("a publish without a server: %v", err)
	}
	primary.run()
	at := settled(t, e)
	waitFor(t, "the tail goes on", func() bool { return tail.has(at) })
	tail.mu.Lock()
	defer tail.mu.Unlock()
	for _, epoch := range tail.epochs {
		if epoch != at.Epoch {
			t.Errorf("epochs %v, and nothing was lost", tail.epochs)
		}
	}
	if len(tail.got) != int(at.Offset) || tail.holes > 0 {
		t.Errorf("the tail has %d messages of %d, and %d holes", len(tail.got), at.Offset, tail.holes)
	}
}

// TestWiped: the store was emptied while nodes use it.
func TestWiped(t *testing.T) {
	s := start(t)
	e := openOn(t, s.url("t"))
	tail := follow(t, e)
	before := mustPublish(t, e, 5)
	s.do("FLUSHALL")
	waitFor(t, "the quiet tail notices", func() bool { return tail.epoch() != before.Epoch })
	at := mustPublish(t, e, 1)
	if at.Epoch == before.Epoch {
		t.Errorf("%v was published after the log was wiped, %v before", at, before)
	}
	waitFor(t, "the tail has the new history", func() bool { return tail.has(at) }) // it saw the change, and left out nothing
}

// TestFunctionsFlushed: our functions are taken away; that loses nothing.
func TestFunctionsFlushed(t *testing.T) {
	s := start(t)
	e := openOn(t, s.url("t"))
	before := mustPublish(t, e, 5)
	s.do("FUNCTION", "FLUSH")
	if at := mustPublish(t, e, 1); at.Epoch != before.Epoch || at.Offset != before.Offset+1 {
		t.Errorf("%v was published after %v", at, before)
	}
}

// TestFallsOut: a tail from before what the log's stream keeps is told of a hole, and of everything after it.
func TestFallsOut(t *testing.T) {
	s := start(t)
	small := func(o *redis.Options) { o.LogMessages = 160 }
	e := openOn(t, s.url("t"), small)
	first := mustPublish(t, e, 1)
	last := mustPublish(t, e, 2000)
	length, err := s.ask("XLEN", "{t}:log")
	if n, err2 := length.AsInt64(); err != nil || err2 != nil || n > 400 {
		t.Errorf("the log's stream has %d entries (%v, %v)", n, err, err2)
	}
	r := &recorder{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Tail(ctx, first, r) }()
	waitFor(t, "the tail reaches the head", func() bool { return r.position() == last })
	cancel()
	<-done
	if r.holes != 1 || len(r.faults) > 0 {
		t.Errorf("%d holes, faults %v", r.holes, r.faults)
	}
	page, err := e.Read(t.Context(), todoke.Range{Channel: "a", UpTo: last.Offset, Limit: 5000})
	if err != nil || len(page.Messages) != 2001 || page.Lost != (todoke.Loss{}) {
		t.Errorf("Read has %d messages, the loss is %+v (%v)", len(page.Messages), page.Lost, err)
	}
}
