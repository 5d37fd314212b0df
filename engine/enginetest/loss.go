package enginetest

import (
	"fmt"
	"testing"

	"github.com/todoke-dev/todoke"
)

var lossScenarios = []scenario{
	{name: "exactly N behind is no loss, one more is an exact one", run: lossEdge},
	{name: "the loss of a range that ends early", run: lossOfRange},
	{name: "every page tells the loss of its own range", run: lossOfPages},
	{name: "Tail from before what is gone is silent about nothing", run: tailFromLost},
	{name: "Channels leaves out no channel with a loss", run: channelsWithLoss},
	{name: "the head stays when what it points at is gone", run: headStays},
}

func lossEdge(t *testing.T, h Harness) {
	const n = 10
	f := open(t, h, rules{"r": {Messages: n, Bytes: -1, Age: -1}})
	f.series("r:a", 4)
	at := f.last() // where a reader was cut
	f.series("r:a", n)
	if p := f.rest("r:a", at); p.Lost != (todoke.Loss{}) || len(p.Messages) != n {
		t.Fatalf("exactly %d behind: %d messages, the loss is %+v", n, len(p.Messages), p.Lost)
	}
	first := f.of("r:a")[4].Position.Offset
	f.series("r:a", 1)
	if p := f.rest("r:a", at); p.Lost != (todoke.Loss{Through: first}) || len(p.Messages) != n {
		t.Fatalf("one more: %d messages, the loss is %+v, want through %d", len(p.Messages), p.Lost, first)
	}
}

// partial is the state of a channel r:a of which the first messages are gone, with other channels between.
func partial(t *testing.T, h Harness) (f *fixture, kept []*todoke.Message) {
	t.Helper()
	f = open(t, h, rules{"r": {Messages: 4, Bytes: -1, Age: -1}})
	for i := range 10 {
		f.series("r:a", 1)
		f.series("other", i%3)
	}
	return f, newest(f.of("r:a"), 4)
}

func lossOfRange(t *testing.T, h Harness) {
	f, kept := partial(t, h)
	head := f.last()
	sent := f.of("r:a")
	for after := todoke.Offset(0); after <= head; after++ {
		for upTo := after; upTo <= head; upTo++ {
			r := todoke.Range{Channel: "r:a", After: after, UpTo: upTo, Limit: plenty}
			p := f.page(r)
			compare(t, "Read("+show(r)+")", p.Messages, within(kept, after, upTo))
			if fault := lossFault(p.Lost, sent, kept, r); fault != "" {
				t.Fatalf("Read(%s): %s", show(r), fault)
			}
		}
	}
}

// lossFault says what is wrong with the loss of a range of a channel on which sent was published and kept is
// left. While something is kept the loss is exact. But an engine need not know each message that it dropped:
// where the range ends before the greatest of them, it may tell that one, or say that up to the range's end
// there may have been some.
func lossFault(got todoke.Loss, sent, kept []*todoke.Message, r todoke.Range) string {
	all := exact(sent, kept, r.After)
	want := todoke.Loss{}
	if lost := within(sent[:len(sent)-len(kept)], r.After, r.UpTo); len(lost) > 0 {
		want.Through = lost[len(lost)-1].Position.Offset
	}
	switch {
	case got == want:
		return ""
	case r.UpTo > r.After && r.UpTo < all.Through && (got == all || got == todoke.Loss{Through: r.UpTo, Possible: true}):
		return ""
	case len(kept) == 0 && got.Possible && got.Through >= want.Through: // its state may be dropped
		return ""
	}
	return fmt.Sprintf("the loss is %+v, want %+v", got, want)
}

func lossOfPages(t *testing.T, h Harness) {
	f, kept := partial(t, h)
	want := exact(f.of("r:a"), kept, 0)
	for _, newest := range []bool{false, true} {
		r := todoke.Range{Channel: "r:a", UpTo: f.last(), Limit: 3, Newest: newest}
		got, lost := f.paged(r)
		compare(t, show(r), got, kept)
		if lost != want {
			t.Errorf("Read(%s): the loss is %+v, want %+v", show(r), lost, want)
		}
	}
	r := todoke.Range{Channel: "r:a", After: kept[0].Position.Offset, UpTo: f.last(), Limit: 1}
	if p := f.page(r); p.Lost != (todoke.Loss{}) {
		t.Errorf("Read(%s), where a page ended: the loss is %+v", show(r), p.Lost)
	}
}

// tailFromLost: Tail gives everything after a position; what it has no more it tells as a hole, so that the
// node asks Read, which tells the loss.
func tailFromLost(t *testing.T, h Harness) {
	f, _ := partial(t, h)
	for _, after := range []todoke.Offset{0, 1, f.last() / 2, f.last() - 1} {
		tl := f.tail(todoke.Position{Epoch: f.epoch, Offset: after})
		f.series("r:a", 1)
		tl.covers(within(f.log, after, todoke.MaxOffset))
		tl.stop()
	}
}

func channelsWithLoss(t *testing.T, h Harness) {
	f := open(t, h, rules{"none": {Messages: -1, Bytes: -1, Age: -1}, "r": {Messages: 2, Bytes: -1, Age: -1}})
	f.publish(text("none:a", "1"), text("r:a", "2"), text("none:b", "3"), text("r:b", "4"), text("none:a", "5"), text("r:a", "6"), text("r:a", "7"))
	for after := todoke.Offset(0); after <= f.last(); after++ {
		for _, pattern := range []string{"**", "none:*", "r:*", "none:a", "r:b", "*:a"} {
			f.listed(pattern, after)
		}
	}
}

func headStays(t *testing.T, h Harness) {
	f := open(t, h, rules{"none": {Messages: -1, Bytes: -1, Age: -1}})
	for range 3 {
		f.series("none:a", 2)
		if head := f.head(); head.Offset < f.last() {
			t.Fatalf("the head is %v, %d was acknowledged", head, f.last())
		}
	}
	before := f.last()
	f.series("a", 1)
	if f.last() <= before {
		t.Errorf("offset %d after %d", f.last(), before)
	}
}
