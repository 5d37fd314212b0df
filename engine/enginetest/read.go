package enginetest

import (
	"fmt"
	"testing"

	"github.com/todoke-dev/todoke"
)

var readScenarios = []scenario{
	{name: "resume at every offset gives exactly the rest", run: resumeEverywhere},
	{name: "every range holds what lies in it", run: everyRange},
	{name: "pages in any size give the whole", run: pagesOfAnySize},
	{name: "a page has at least one message, however large", run: oneAtLeast},
	{name: "newest pages walk back to the oldest", run: newestPages},
}

// mixed publishes n messages, or a few more, on three channels, of growing sizes, in batches and alone.
func (f *fixture) mixed(n int) {
	f.t.Helper()
	names := []string{"room:1", "room:2", "lobby"}
	data := make([]byte, n+4)
	for i := range data {
		data[i] = byte('a' + i%26)
	}
	for i := 0; i < n; {
		var batch []*todoke.Message
		for range i%4 + 1 {
			batch = append(batch, text(names[(i*i+i/3)%3], string(data[:i])))
			i++
		}
		f.publish(batch...)
	}
}

var mixedNames = []string{"room:1", "room:2", "lobby"}

func resumeEverywhere(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.mixed(60)
	for _, channel := range mixedNames {
		f.keeps(channel, f.of(channel))
	}
}

func everyRange(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.mixed(30)
	head := f.head().Offset
	for _, channel := range mixedNames {
		for after := todoke.Offset(0); after <= head; after++ {
			for upTo := after; upTo <= head; upTo++ {
				p := f.whole(channel, after, upTo)
				compare(t, fmt.Sprintf("Read(%s in (%d, %d])", channel, after, upTo), p.Messages, within(f.of(channel), after, upTo))
				if p.Lost != (todoke.Loss{}) {
					t.Fatalf("Read(%s in (%d, %d]): the loss is %+v, and all is kept", channel, after, upTo, p.Lost)
				}
			}
		}
	}
}

func pagesOfAnySize(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.mixed(50)
	head := f.head().Offset
	for _, channel := range mixedNames {
		for _, limit := range []int{1, 2, 3, 7, plenty} {
			for _, maxBytes := range []int{0, 1, 20, 64, 1 << 20} {
				for _, newest := range []bool{false, true} {
					for _, after := range []todoke.Offset{0, head / 3, head - 1, head} {
						r := todoke.Range{Channel: channel, After: after, UpTo: head, Limit: limit, MaxBytes: maxBytes, Newest: newest}
						got, lost := f.paged(r)
						compare(t, show(r), got, within(f.of(channel), after, head))
						if lost != (todoke.Loss{}) {
							t.Fatalf("%s: the loss is %+v, and all is kept", show(r), lost)
						}
					}
				}
			}
		}
	}
}

func oneAtLeast(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.publish(text("a", string(make([]byte, 1000))), text("a", ""), text("a", string(make([]byte, 500))))
	for _, newest := range []bool{false, true} {
		r := todoke.Range{Channel: "a", UpTo: f.last(), Limit: 10, MaxBytes: 1, Newest: newest}
		if p := f.page(r); len(p.Messages) == 0 || !p.More {
			t.Errorf("Read(%s): %d messages, more %v", show(r), len(p.Messages), p.More)
		}
	}
}

func newestPages(t *testing.T, h Harness) {
	f := open(t, h, nil)
	f.mixed(40)
	all := f.of("lobby")
	for limit := 1; limit <= len(all)+1; limit++ {
		r := todoke.Range{Channel: "lobby", UpTo: f.head().Offset, Limit: limit, Newest: true}
		p := f.page(r)
		if p.More != (len(p.Messages) < len(all)) {
			t.Errorf("Read(%s): %d of %d, more %v", show(r), len(p.Messages), len(all), p.More)
		}
		if len(p.Messages) == 0 {
			t.Fatalf("Read(%s): no message", show(r))
		}
		compare(t, show(r), p.Messages, all[len(all)-len(p.Messages):])
	}
}
