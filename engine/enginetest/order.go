package enginetest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

var orderScenarios = []scenario{
	{name: "a new log has an epoch and no messages", run: newLog},
	{name: "positions ascend and time does not go back", run: positionsAscend},
	{name: "a batch is appended in its order", run: batchOrder},
	{name: "an empty batch appends nothing", run: emptyBatch},
	{name: "the slices of Publish are not kept", run: slicesNotKept},
	{name: "what was acknowledged is visible at once", run: visibleAtOnce},
	{name: "concurrent publishers keep their own order", run: concurrentPublishers},
	{name: "a multi-channel reader at a head misses nothing", run: noLyingHead},
}

func newLog(t *testing.T, h Harness) {
	f := open(t, h, nil)
	head := f.head()
	if back, err := todoke.ParsePosition(head.String()); err != nil || back != head {
		t.Errorf("Head is %#v, whose text %q reads as %#v (%v)", head, head, back, err)
	}
	if p := f.whole("a", 0, head.Offset); len(p.Messages) > 0 || p.Lost != (todoke.Loss{}) {
		t.Errorf("Read of an empty log: %+v", p)
	}
	if names, lost := f.channels("**", 0); len(names) > 0 || lost != 0 {
		t.Errorf("Channels of an empty log: %v, lost %d", names, lost)
	}
}

func positionsAscend(t *testing.T, h Harness) {
	f := open(t, h, nil)
	for i := range 200 {
		f.publish(text(fmt.Sprintf("c%d", i%7), fmt.Sprint(i))) // publish checks the results
	}
	for i := range 7 {
		channel := fmt.Sprintf("c%d", i)
		compare(t, channel, f.rest(channel, 0).Messages, f.of(channel))
	}
}

func batchOrder(t *testing.T, h Harness) {
	f := open(t, h, nil)
	for round := range 20 {
		var batch []*todoke.Message
		for i := range round + 1 {
			batch = append(batch, text([]string{"a", "b"}[i%2], fmt.Sprintf("%d.%d", round, i)))
		}
		f.publish(batch...)
	}
	for _, channel := range []string{"a", "b"} {
		compare(t, channel, f.rest(channel, 0).Messages, f.of(channel))
	}
	tl := f.tail(todoke.Position{Epoch: f.epoch})
	tl.gives(f.log)
}

func emptyBatch(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.series("a", 2)
	before := f.head()
	f.publish()
	if head := f.head(); head != before {
		t.Errorf("the head went from %v to %v", before, head)
	}
}

func slicesNotKept(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	for round := range 10 {
		want := []*todoke.Message{text("a", fmt.Sprintf("first %d", round)), text("a", fmt.Sprintf("second %d", round))}
		batch := []*todoke.Message{clone(want[0]), clone(want[1])}
		results := make([]todoke.Result, 2)
		if err := f.e.Publish(f.ctx, batch, results); err != nil {
			t.Fatal(err)
		}
		for i, m := range want {
			f.log = append(f.log, published(m, results[i]))
		}
		clear(batch) // the slices are the caller's again
		for i := range results {
			results[i] = todoke.Result{Position: todoke.Position{Epoch: "x", Offset: 99}, Duplicate: true}
		}
	}
	compare(t, "Read", f.rest("a", 0).Messages, f.log)
	tl.gives(f.log)
}

func visibleAtOnce(t *testing.T, h Harness) {
	f := open(t, h, nil)
	var wg sync.WaitGroup
	for p := range 6 {
		wg.Go(func() {
			channel := fmt.Sprintf("c%d", p%3)
			for i := range 60 {
				m := text(channel, fmt.Sprintf("%d.%d", p, i))
				results, err := try(f.ctx, f.e, m)
				if err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
				if fault := f.unseen(published(m, results[0])); fault != "" {
					t.Error(fault)
					return
				}
			}
		})
	}
	wg.Wait()
}

// unseen says where an acknowledged message cannot be seen yet, or "". Any goroutine may call it.
func (f *fixture) unseen(m *todoke.Message) string {
	at := m.Position.Offset
	if head, err := f.e.Head(f.ctx); err != nil || head.Offset < at {
		return fmt.Sprintf("%d was acknowledged, and Head is %v (%v)", at, head, err)
	}
	page, err := f.e.Read(f.ctx, todoke.Range{Channel: m.Channel, After: at - 1, UpTo: at, Limit: 1})
	if err != nil || len(page.Messages) != 1 {
		return fmt.Sprintf("%d was acknowledged, and Read has %s (%v)", at, offsets(page.Messages), err)
	}
	if d := differ(page.Messages[0], m); d != "" {
		return fmt.Sprintf("%d was acknowledged, and Read has another message: %s", at, d)
	}
	names, _, err := f.e.Channels(f.ctx, m.Channel, at-1)
	if err != nil || !slices.Equal(names, []string{m.Channel}) {
		return fmt.Sprintf("%d was acknowledged, and Channels(%q, %d) is %v (%v)", at, m.Channel, at-1, names, err)
	}
	return ""
}

// crowd lets publishers publish at the same time, each its rounds of one to three messages, and returns
// what each was acknowledged, in its order.
func (f *fixture) crowd(publishers, rounds int) [][]*todoke.Message {
	f.t.Helper()
	acknowledged := make([][]*todoke.Message, publishers)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range rounds {
				var batch []*todoke.Message
				for j := range i%3 + 1 {
					batch = append(batch, text(fmt.Sprintf("c%d", (p+i+j)%5), fmt.Sprintf("%d.%d.%d", p, i, j)))
				}
				results, err := try(f.ctx, f.e, batch...)
				if err != nil {
					f.t.Errorf("Publish: %v", err)
					return
				}
				for j, r := range results {
					acknowledged[p] = append(acknowledged[p], published(batch[j], r))
				}
			}
		})
	}
	wg.Wait()
	return acknowledged
}

// merge is the log that several publishers made. It fails the test unless all positions are distinct,
// each publisher's ascend, and time does not go back along the log.
func (f *fixture) merge(acknowledged [][]*todoke.Message) []*todoke.Message {
	f.t.Helper()
	var log []*todoke.Message
	for p, own := range acknowledged {
		for i, m := range own {
			if i > 0 && m.Position.Offset <= own[i-1].Position.Offset {
				f.t.Fatalf("publisher %d: offset %d after %d", p, m.Position.Offset, own[i-1].Position.Offset)
			}
		}
		log = append(log, own...)
	}
	slices.SortFunc(log, func(a, b *todoke.Message) int { return cmp.Compare(a.Position.Offset, b.Position.Offset) })
	for i := 1; i < len(log); i++ {
		a, b := log[i-1], log[i]
		if a.Position.Offset == b.Position.Offset {
			f.t.Fatalf("%q and %q both got offset %d", a.Data, b.Data, a.Position.Offset)
		}
		if b.Time.Before(a.Time) {
			f.t.Fatalf("time goes back from %v at %d to %v at %d", a.Time, a.Position.Offset, b.Time, b.Position.Offset)
		}
	}
	return log
}

func concurrentPublishers(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	f.log = f.merge(f.crowd(8, 100))
	tl.covers(f.log)
	for i := range 5 {
		channel := fmt.Sprintf("c%d", i)
		compare(t, channel, f.rest(channel, 0).Messages, f.of(channel))
	}
}

// noLyingHead: giving an offset and making it visible is one step. Whoever reads up to a head that Tail or Head
// told, finds all channels complete up to it, while publishers go on.
func noLyingHead(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	type look struct {
		channel string
		head    todoke.Offset
		got     []*todoke.Message
	}
	var looks []look
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			_, _, head := tl.seen()
			if i%2 == 1 {
				p, err := f.e.Head(f.ctx)
				if err != nil {
					t.Errorf("Head: %v", err)
					return
				}
				head = p.Offset
			}
			l := look{channel: fmt.Sprintf("c%d", i%5), head: head}
			page, err := f.e.Read(f.ctx, todoke.Range{Channel: l.channel, After: head - min(head, 20), UpTo: head, Limit: plenty})
			if err != nil {
				t.Errorf("Read: %v", err)
				return
			}
			l.got = page.Messages
			looks = append(looks, l)
		}
	})
	f.log = f.merge(f.crowd(4, 150))
	close(done)
	wg.Wait()
	for _, l := range looks {
		want := within(of(f.log, l.channel), l.head-min(l.head, 20), l.head)
		compare(t, fmt.Sprintf("Read(%s) up to the advanced head %d", l.channel, l.head), l.got, want)
	}
	t.Logf("%d looks", len(looks))
}
