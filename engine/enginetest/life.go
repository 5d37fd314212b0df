package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var lifeScenarios = []scenario{
	{name: "a cancelled context changes nothing", run: cancelled},
	{name: "contexts that end at any time leave no half batch", run: cancelledAnywhere},
	{name: "Close ends everything and may be called again", run: closeTwice},
	{name: "Close while all is under way", run: closeBusy},
	{name: "a new log is a new epoch", run: newEpoch},
}

func cancelled(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.series("a", 3)
	before := f.head()
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := try(ctx, f.e, text("a", "1"), text("b", "2"))
	wantCode(t, "Publish", err, context.Canceled)
	wantCode(t, "Tail", f.e.Tail(ctx, todoke.Position{}, &recorder{}), context.Canceled)
	// Those that read may have the answer at hand: then it is the right one.
	p, err := f.e.Read(ctx, todoke.Range{Channel: "a", UpTo: before.Offset, Limit: 10})
	if err == nil {
		compare(t, "Read", p.Messages, f.log)
	} else {
		wantCode(t, "Read", err, context.Canceled)
	}
	names, _, err := f.e.Channels(ctx, "**", 0)
	if err != nil {
		wantCode(t, "Channels", err, context.Canceled)
	} else if len(names) != 1 {
		t.Errorf("Channels: %v", names)
	}
	head, err := f.e.Head(ctx)
	if err != nil {
		wantCode(t, "Head", err, context.Canceled)
	} else if head != before {
		t.Errorf("Head: %v, want %v", head, before)
	}
	if head := f.head(); head != before {
		t.Errorf("a cancelled Publish moved the head from %v to %v", before, head)
	}
	f.series("a", 1)
	compare(t, "Read", f.rest("a", 0).Messages, f.log)
}

// An attempt is a batch whose context ended at some time.
type attempt struct {
	batch   []*todoke.Message
	results []todoke.Result
	err     error
}

func cancelledAnywhere(t *testing.T, h Harness) {
	f := open(t, h, nil)
	const publishers, rounds, size = 4, 60, 5
	attempts := make([][]attempt, publishers)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(p), 7))
			for i := range rounds {
				var a attempt
				for j := range size {
					a.batch = append(a.batch, text("a", fmt.Sprintf("%d.%d.%d", p, i, j)))
				}
				ctx, cancel := context.WithCancel(f.ctx)
				stop := time.AfterFunc(time.Duration(rng.IntN(400))*time.Microsecond, cancel)
				a.results, a.err = try(ctx, f.e, a.batch...)
				stop.Stop()
				cancel()
				attempts[p] = append(attempts[p], a)
			}
		})
	}
	wg.Wait()
	kept := map[string]todoke.Position{}
	for _, m := range f.rest("a", 0).Messages {
		kept[m.Text()] = m.Position
	}
	appended := 0
	for _, own := range attempts {
		for _, a := range own {
			appended += a.check(t, kept)
		}
	}
	t.Logf("%d of %d batches were appended", appended, publishers*rounds)
}

// check holds an attempt to what was kept, by data. It returns 1 if it was appended.
func (a attempt) check(t *testing.T, kept map[string]todoke.Position) int {
	t.Helper()
	there := 0
	for i, m := range a.batch {
		at, ok := kept[m.Text()]
		if ok {
			there++
		}
		if a.err == nil && (!ok || at != a.results[i].Position) {
			t.Errorf("%q was acknowledged at %v and is kept: %v, %v", m.Data, a.results[i].Position, ok, at)
		}
	}
	switch {
	case a.err == nil:
		return 1
	case !errors.Is(a.err, context.Canceled):
		t.Errorf("Publish with a context that was cancelled: %v", a.err)
	case errors.Is(a.err, todoke.CodeUnknown):
	case there > 0:
		t.Errorf("Publish failed with %v, which is not CodeUnknown, and %d of %d messages are kept", a.err, there, len(a.batch))
	}
	return 0
}

// closed fails unless every call gets CodeClosed.
func (f *fixture) closed() {
	f.t.Helper()
	_, err := try(f.ctx, f.e, text("a", "late"))
	wantCode(f.t, "Publish after Close", err, todoke.CodeClosed)
	_, err = f.e.Read(f.ctx, todoke.Range{Channel: "a", UpTo: 1, Limit: 1})
	wantCode(f.t, "Read after Close", err, todoke.CodeClosed)
	_, _, err = f.e.Channels(f.ctx, "**", 0)
	wantCode(f.t, "Channels after Close", err, todoke.CodeClosed)
	_, err = f.e.Head(f.ctx)
	wantCode(f.t, "Head after Close", err, todoke.CodeClosed)
	rec := &recorder{}
	wantCode(f.t, "Tail after Close", f.e.Tail(f.ctx, todoke.Position{}, rec), todoke.CodeClosed)
	if _, _, ok := rec.started(); ok {
		f.t.Error("Tail after Close called its sink")
	}
}

func closeTwice(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	f.series("a", 3)
	tl.gives(f.log)
	for range 2 {
		if err := f.e.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		eventually(t, "Close ends Tail", tl.ended)
		if tl.err == nil || errors.Is(tl.err, context.Canceled) {
			t.Errorf("Tail returned %v at Close, and its context had not ended", tl.err)
		}
		f.closed()
	}
}

func closeBusy(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tails := []*tail{f.tail(todoke.Position{}), f.tail(todoke.Position{})}
	var wg sync.WaitGroup
	ready := make(chan struct{}, 1)
	for p := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := try(f.ctx, f.e, text("a", fmt.Sprintf("%d.%d", p, i)))
				if err == nil {
					_, err = f.e.Read(f.ctx, todoke.Range{Channel: "a", UpTo: 5, Limit: 10})
				}
				if err == nil {
					_, _, err = f.e.Channels(f.ctx, "*", 0)
				}
				if err != nil {
					if !errors.Is(err, todoke.CodeClosed) && !errors.Is(err, todoke.CodeUnknown) {
						t.Errorf("a call that Close ended: %v", err)
					}
					return
				}
				if i == 20 {
					select {
					case ready <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	<-ready
	for range 3 {
		wg.Go(func() {
			if err := f.e.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wg.Wait()
	for _, tl := range tails {
		eventually(t, "Close ends Tail", tl.ended)
	}
	f.closed()
}

func newEpoch(t *testing.T, h Harness) {
	seen := map[string]bool{}
	for range 5 {
		f := open(t, h, nil)
		f.series("a", 2)
		if seen[f.epoch] {
			t.Errorf("two logs have the epoch %q", f.epoch)
		}
		seen[f.epoch] = true
		t.Logf("epoch %s; caps %+v", f.epoch, f.e.Caps())
	}
}
