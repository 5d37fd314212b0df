package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// dropped waits until the state of channel is gone: its loss is only possible. With KeepsState, until it is empty.
func (f *fixture) dropped(channel string) {
	f.t.Helper()
	f.allGone(channel)
	if f.h.KeepsState {
		return
	}
	limit := patience + f.h.MaxAgeLag
	if f.h.InProcess {
		limit = time.Hour // of fake time
	}
	eventuallyIn(f.t, limit, "the state of "+channel+" is dropped", func() bool {
		p := f.rest(channel, 0)
		f.lostAll(channel, p.Lost)
		return p.Lost.Possible
	})
}

func stateDropped(t *testing.T, h Harness) {
	f := open(t, h, ages(brief))
	f.series("r:a", 4)
	f.dropped("r:a")
	last := f.last()
	for after := todoke.Offset(0); after < last; after++ {
		p := f.rest("r:a", after)
		f.lostAll("r:a", p.Lost)
		f.listed("r:*", after)
		f.listed("**", after)
		// A channel that never had messages cannot be told from one that had.
		if never := f.rest("r:never", after); never.Lost != (todoke.Loss{}) && !never.Lost.Possible {
			t.Fatalf("a channel without messages: the loss is %+v", never.Lost)
		}
	}
	for _, channel := range []string{"r:a", "r:never", "never"} {
		if p := f.rest(channel, last); p.Lost != (todoke.Loss{}) || len(p.Messages) > 0 {
			t.Errorf("%s: a reader at the head: %d messages, the loss is %+v", channel, len(p.Messages), p.Lost)
		}
	}
	f.series("other", 2)
	head := f.last()
	for _, channel := range []string{"r:a", "r:never", "never"} {
		for after := last; after <= head; after++ {
			if p := f.rest(channel, after); p.Lost != (todoke.Loss{}) {
				t.Errorf("%s: a reader after all that was dropped: the loss is %+v", channel, p.Lost)
			}
		}
	}
	if names, lost := f.channels("r:**", last); len(names) > 0 || lost > last {
		t.Errorf("Channels after all that was dropped: %v, lost %d", names, lost)
	}
}

func comesBack(t *testing.T, h Harness) {
	age := brief
	if !h.InProcess {
		age = 3 * time.Second // so that what comes back can be looked at before it goes
	}
	f := open(t, h, rules{"r": {Messages: 3, Bytes: -1, Age: age}})
	f.series("r:a", 5)
	f.dropped("r:a")
	old := f.last()
	start := time.Now()
	for i := range 6 {
		f.series("r:a", 1)
		f.series("other", 1)
		back := within(f.of("r:a"), old, todoke.MaxOffset)
		want := newest(back, 3)
		behind, current := f.rest("r:a", old-1), f.rest("r:a", old)
		if time.Since(start) > age-50*time.Millisecond {
			t.Log("too slow to look at what came back before it expired")
			return
		}
		what := fmt.Sprintf("come back with %d", i+1)
		compare(t, what, behind.Messages, want)
		compare(t, what, current.Messages, want)
		if loss := exact(back, want, old); current.Lost != loss {
			t.Fatalf("%s: the loss of a reader who had everything is %+v, want %+v", what, current.Lost, loss)
		}
		least := max(old, current.Lost.Through)
		if got := behind.Lost; got.Through != least {
			t.Fatalf("%s: the loss of a reader from before is %+v, want through %d", what, got, least)
		}
	}
}

func horizonsApart(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 1000, Bytes: -1, Age: brief}, "long": {Messages: 3, Bytes: -1, Age: -1}})
	f.publish(text("long:a", "1"), text("r:a", "2"), text("long:b", "3"), text("other", "4"), text("r:a", "5"), text("long:a", "6"))
	f.dropped("r:a")
	for _, channel := range []string{"long:never", "never", "elsewhere:never"} {
		if p := f.rest(channel, 0); p.Lost != (todoke.Loss{}) {
			t.Errorf("%s never had messages, and the loss is %+v", channel, p.Lost)
		}
	}
	for _, channel := range []string{"long:a", "long:b", "other"} {
		f.keeps(channel, f.of(channel))
	}
	if names, lost := f.channels("long:**", 0); len(names) != 2 || lost != 0 {
		t.Errorf("Channels(long:**): %v, lost %d", names, lost)
	}
	if names, lost := f.channels("*", 0); len(names) != 1 || lost != 0 {
		t.Errorf("Channels(*), which takes in no channel of the namespace: %v, lost %d", names, lost)
	}
	for after := todoke.Offset(0); after <= f.last(); after++ {
		f.listed("**", after)
		f.listed("*:a", after)
		f.listed("r:*", after)
	}
	f.series("long:a", 4)
	f.keeps("long:a", newest(f.of("long:a"), 3))
}

func stateAllAlong(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 3, Bytes: -1, Age: time.Second}})
	f.publish(text("r:b", "first"), text("r:a", "leaves"))
	for range 40 {
		pass(300 * time.Millisecond)
		f.series("r:b", 1)
		f.keeps("r:b", newest(f.of("r:b"), 3))
	}
	f.dropped("r:a") // r:b expires meanwhile
	p := f.rest("r:a", 0)
	f.lostAll("r:a", p.Lost)
}

func manyDropped(t *testing.T, h Harness) {
	f := open(t, h, ages(brief))
	n := 300
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("r:c%d", i)
	}
	for range 2 {
		batch := make([]*todoke.Message, n)
		for i, name := range names {
			batch[i] = text(name, "x")
		}
		f.publish(batch...)
	}
	for _, name := range names {
		f.dropped(name)
	}
	for i := 0; i < n; i += 17 {
		sent := f.of(names[i])
		p := f.rest(names[i], sent[0].Position.Offset)
		f.lostAll(names[i], p.Lost)
	}
	for _, after := range []todoke.Offset{0, f.log[n/2].Position.Offset, f.log[n].Position.Offset, f.last()} {
		f.listed("r:*", after)
		f.listed(names[7], after)
	}
	f.series("r:c5", 1)
	f.honest("r:c5", 0)
}
