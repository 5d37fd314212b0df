package enginetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/todoke-dev/todoke"
)

var storeScenarios = []scenario{
	{name: "a log that is opened again is the same", run: reopened, lacks: needsReopen},
	{name: "a kill loses what Caps allows and nothing else", run: killed, lacks: needsKill},
	{name: "a wiped store is a new epoch before anything is applied", run: wiped, lacks: needsWipe},
}

// reopen closes the engine and opens its store again.
func (f *fixture) reopen() {
	f.t.Helper()
	before := f.head()
	f.e = f.h.Reopen(f.t, f.e)
	f.open()
	if head := f.head(); head != before {
		f.t.Fatalf("opened again, the head is %v; it was %v", head, before)
	}
}

func reopened(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 3, Bytes: -1, Age: -1}})
	for round := range 3 {
		f.publish(keyed("a", fmt.Sprint("k", round), "x"), text("r:a", "1"), text("r:a", "2"))
		at := f.last()
		f.mixed(10)
		f.reopen()
		for _, channel := range append([]string{"a"}, mixedNames...) {
			f.keeps(channel, f.of(channel))
		}
		f.keeps("r:a", newest(f.of("r:a"), 3))
		repeats(t, "a key from before", f.publish(keyed("a", fmt.Sprint("k", round), "y"))[0], f.of("a")[round])
		tl := f.tail(todoke.Position{Epoch: f.epoch, Offset: at})
		f.mixed(5)
		tl.gives(within(f.log, at, todoke.MaxOffset))
		tl.stop()
	}
}

func killed(t *testing.T, h Harness) {
	f := open(t, h, nil)
	e, epoch := f.e, f.epoch
	survives := e.Caps().Process
	const publishers = 4
	attempts := make([][]attempt, publishers)
	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := 0; ; i++ {
				a := attempt{batch: []*todoke.Message{keyed("a", fmt.Sprintf("%d.%d", p, i), fmt.Sprintf("%d.%d", p, i))}}
				a.results, a.err = try(f.ctx, e, a.batch...)
				attempts[p] = append(attempts[p], a)
				if a.err != nil {
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	eventually(t, "publishers are under way", func() bool { return acknowledged.Load() > 300 })
	f.e = h.Kill(t, e)
	wg.Wait()
	f.open()
	if !survives {
		if f.epoch == epoch {
			t.Errorf("the log does not survive its process, and the epoch is %q as before", epoch)
		}
		return
	}
	if f.epoch != epoch {
		t.Fatalf("the epoch was %q and is %q", epoch, f.epoch)
	}
	f.afterKill(attempts)
}

// afterKill: what was acknowledged is there; what was not is repeated, and then there once.
func (f *fixture) afterKill(attempts [][]attempt) {
	f.t.Helper()
	want := map[string]todoke.Position{}
	for _, own := range attempts {
		for _, a := range own {
			if a.err != nil && !errors.Is(a.err, todoke.CodeUnknown) {
				continue
			}
			name := a.batch[0].Text()
			again, err := try(f.ctx, f.e, a.batch[0])
			if err != nil {
				f.t.Fatalf("%s, repeated: %v", name, err)
			}
			if a.err == nil && (!again[0].Duplicate || again[0].Position != a.results[0].Position) {
				f.t.Errorf("%s was acknowledged at %v; repeated: %+v", name, a.results[0].Position, again[0])
			}
			want[name] = again[0].Position
		}
	}
	kept := map[string]bool{}
	for _, m := range f.rest("a", 0).Messages {
		if kept[m.Text()] {
			f.t.Errorf("%s is there twice", m.Text())
		}
		kept[m.Text()] = true
		if at, ok := want[m.Text()]; ok && at != m.Position {
			f.t.Errorf("%s is at %v, acknowledged at %v", m.Text(), m.Position, at)
		}
	}
	for name, at := range want {
		if !kept[name] {
			f.t.Errorf("%s, acknowledged at %v, is gone", name, at)
		}
	}
}
