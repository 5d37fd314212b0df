package enginetest

import (
	"context"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

// An epochs sink takes several histories, where a recorder takes one: for each, what was applied in it.
type epochs struct {
	mu      sync.Mutex
	ids     []string
	heads   []todoke.Offset // what Epoch and then Advance said
	applied [][]*todoke.Message
	faults  []string
}

func (s *epochs) Epoch(id string, head todoke.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.heads, s.applied = append(s.ids, id), append(s.heads, head), append(s.applied, nil)
}

func (s *epochs) Apply(batch []*todoke.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := len(s.ids) - 1
	for _, m := range batch {
		if m.Position.Epoch != s.ids[now] {
			s.faults = append(s.faults, "Apply of "+m.Position.String()+" in epoch "+s.ids[now])
		}
		s.applied[now] = append(s.applied[now], m)
	}
}

func (s *epochs) Advance(head todoke.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads[len(s.heads)-1] = head
}

func (s *epochs) Hole(_, _ todoke.Offset) {}

// at is where the tail is: what a hub calls Tail with again after the store was lost.
func (s *epochs) at() (p todoke.Position, histories int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.ids); n > 0 {
		return todoke.Position{Epoch: s.ids[n-1], Offset: s.heads[n-1]}, n
	}
	return todoke.Position{}, 0
}

// wiped: a log that began anew must not be taken for the old one, whose positions would point at other messages.
func wiped(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.series("a", 7)
	old := f.head()
	sink := &epochs{}
	ctx, cancel := context.WithCancel(f.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		for from := (todoke.Position{}); ctx.Err() == nil; from, _ = sink.at() {
			_ = f.e.Tail(ctx, from, sink)
		}
	})
	eventually(t, "Tail calls Epoch", func() bool { _, n := sink.at(); return n > 0 })
	h.Wipe(t, f.e)
	eventually(t, "Tail calls Epoch again", func() bool { p, _ := sink.at(); return p.Epoch != old.Epoch })
	var r todoke.Result
	eventually(t, "a publish works", func() bool {
		results, err := try(f.ctx, f.e, text("a", "new"))
		r = results[0]
		return err == nil
	})
	eventually(t, "the new message is applied", func() bool { p, _ := sink.at(); return p.Offset >= r.Position.Offset && p.Epoch == r.Position.Epoch })
	sink.mu.Lock()
	defer sink.mu.Unlock()
	for _, fault := range sink.faults {
		t.Error("Sink: " + fault)
	}
	if r.Position.Epoch == old.Epoch {
		t.Errorf("published at %v, as if it were the log that was wiped", r.Position)
	}
	last := sink.applied[len(sink.applied)-1]
	if len(last) == 0 || last[len(last)-1].Text() != "new" {
		t.Errorf("the last history has %s", offsets(last))
	}
	f.epoch = r.Position.Epoch
	for _, m := range f.rest("a", 0).Messages {
		if m.Text() != "new" || m.Position.Epoch != f.epoch {
			t.Errorf("Read gives %q at %v", m.Data, m.Position)
		}
	}
}
