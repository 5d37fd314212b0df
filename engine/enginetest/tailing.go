package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var tailScenarios = []scenario{
	{name: "Tail from every offset gives everything after it once", run: tailEverywhere},
	{name: "Tail from zero and from another epoch starts at the head", run: tailFromHead},
	{name: "Tail advances over a quiet log and stays", run: tailQuiet},
	{name: "Tail taken up while publishers run loses and repeats nothing", run: tailTakenUp},
	{name: "two Tails get the same", run: twoTails},
	{name: "Tail ends with its context and calls no more", run: tailEnds},
}

func tailEverywhere(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.mixed(24)
	head := f.head().Offset
	for after := todoke.Offset(0); after <= head; after++ {
		tl := f.tail(todoke.Position{Epoch: f.epoch, Offset: after})
		if _, at, _ := tl.started(); at != after {
			t.Errorf("Tail from %d: Epoch says %d", after, at)
		}
		f.series("room:1", 1)
		tl.gives(within(f.log, after, todoke.MaxOffset))
		tl.endsWith(context.Canceled)
	}
}

func tailFromHead(t *testing.T, h Harness) {
	f := open(t, h, nil)
	for _, from := range []todoke.Position{{}, {Epoch: "another0epoch"}, {Epoch: "another0epoch", Offset: 3}, {Epoch: "another0epoch", Offset: 1 << 40}} {
		f.series("a", 5)
		head := f.head().Offset
		tl := f.tail(from)
		if _, at, _ := tl.started(); at != head {
			t.Errorf("Tail from %v: Epoch says %d, the head is %d", from, at, head)
		}
		f.series("a", 3)
		tl.gives(within(f.log, head, todoke.MaxOffset))
		tl.stop()
	}
}

func tailQuiet(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	for round := range 20 {
		f.series(fmt.Sprintf("c%d", round%3), 1)
		tl.gives(f.log) // waits until Advance has come to the last offset, without another publish
		if tl.ended() {
			t.Fatalf("Tail returned: %v", tl.err)
		}
	}
}

func tailTakenUp(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.series("before", 1)
	from := f.head()
	done := make(chan [][]*todoke.Message, 1)
	go func() { done <- f.crowd(3, 120) }()
	// A chain of tails, each from where the one before had come to, until the publishers are done.
	var got []*todoke.Message
	var acknowledged [][]*todoke.Message
	for acknowledged == nil {
		tl := f.tail(from)
		goal := from.Offset + 25
		eventually(t, "the tail goes on", func() bool {
			select {
			case acknowledged = <-done:
			default:
			}
			return acknowledged != nil || tl.reached(goal)
		})
		tl.stop()
		messages, holes, advanced := tl.seen()
		if len(holes) > 0 {
			t.Fatalf("holes %v in a tail that keeps up", holes)
		}
		// What was applied beyond the last Advance counts too: it came in order.
		if n := len(messages); n > 0 {
			advanced = max(advanced, messages[n-1].Position.Offset)
		}
		got = append(got, messages...)
		from.Offset = advanced
	}
	log := f.merge(acknowledged)
	tl := f.tail(from)
	tl.catchUp(log)
	rest, _, _ := tl.seen()
	compare(t, "a chain of tails", append(got, rest...), log)
}

func twoTails(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.mixed(10)
	first := f.tail(todoke.Position{Epoch: f.epoch})
	second := f.tail(todoke.Position{Epoch: f.epoch, Offset: f.last()})
	before := f.last()
	f.mixed(20)
	first.gives(f.log)
	second.gives(within(f.log, before, todoke.MaxOffset))
	first.endsWith(context.Canceled)
	f.mixed(5)
	second.gives(within(f.log, before, todoke.MaxOffset))
}

func tailEnds(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	f.series("a", 3)
	tl.gives(f.log)
	tl.endsWith(context.Canceled)
	f.series("a", 3)
	if got, _, _ := tl.seen(); len(got) != 3 {
		t.Errorf("the sink got %s after Tail had returned", offsets(got[3:]))
	}

	ctx, cancel := context.WithTimeout(f.ctx, 20*time.Millisecond)
	defer cancel()
	if err := f.e.Tail(ctx, todoke.Position{}, &recorder{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Tail returned %v when its time was over; it should match context.DeadlineExceeded", err)
	}
	ended, end := context.WithCancel(f.ctx)
	end()
	if err := f.e.Tail(ended, todoke.Position{}, &recorder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Tail with a cancelled context returned %v", err)
	}
}
