package enginetest

import (
	"fmt"
	"slices"

	"github.com/todoke-dev/todoke"
)

// plenty is a Limit that no scenario reaches.
const plenty = 1 << 20

// page reads one page and holds it to what is true of every page.
func (f *fixture) page(r todoke.Range) todoke.Page {
	f.t.Helper()
	p, err := f.e.Read(f.ctx, r)
	if err != nil {
		f.t.Fatalf("Read(%s): %v", show(r), err)
	}
	if fault := faultOf(p, r); fault != "" {
		f.t.Fatalf("Read(%s): %s", show(r), fault)
	}
	return p
}

// faultOf says what no page may be.
func faultOf(p todoke.Page, r todoke.Range) string {
	if len(p.Messages) > r.Limit {
		return fmt.Sprintf("%d messages, over the limit", len(p.Messages))
	}
	size, before := 0, r.After
	for _, m := range p.Messages {
		at := m.Position.Offset
		switch {
		case m.Channel != r.Channel:
			return fmt.Sprintf("a message of %s", m.Channel)
		case at > r.UpTo || at <= before:
			return fmt.Sprintf("offset %d after %d: out of range, or not ascending", at, before)
		}
		before = at
		size += len(m.Data)
	}
	switch {
	case r.MaxBytes > 0 && size > r.MaxBytes && len(p.Messages) > 1:
		return fmt.Sprintf("%d bytes of data, over MaxBytes", size)
	case len(p.Messages) == 0 && p.More:
		return "it says More and has no message"
	case p.Lost.Possible && p.Lost.Through == 0, p.Lost.Through != 0 && p.Lost.Through <= r.After:
		return fmt.Sprintf("the loss %+v lies not after After", p.Lost)
	}
	return ""
}

func show(r todoke.Range) string {
	s := fmt.Sprintf("%s, after %d, up to %d, limit %d", r.Channel, r.After, r.UpTo, r.Limit)
	if r.MaxBytes > 0 {
		s += fmt.Sprintf(", %d bytes", r.MaxBytes)
	}
	if r.Newest {
		s += ", newest"
	}
	return s
}

// whole reads a range in one page.
func (f *fixture) whole(channel string, after, upTo todoke.Offset) todoke.Page {
	f.t.Helper()
	p := f.page(todoke.Range{Channel: channel, After: after, UpTo: upTo, Limit: plenty})
	if p.More {
		f.t.Fatalf("Read(%s after %d): More, although nothing bounds the page", channel, after)
	}
	return p
}

// rest reads everything of channel after an offset, up to the head.
func (f *fixture) rest(channel string, after todoke.Offset) todoke.Page {
	f.t.Helper()
	return f.whole(channel, after, f.head().Offset)
}

// paged reads r page by page and returns all messages ascending, and the loss of the first page. Pages after
// the first begin where a reader has everything: they have no loss.
func (f *fixture) paged(r todoke.Range) ([]*todoke.Message, todoke.Loss) {
	f.t.Helper()
	var all []*todoke.Message
	first := f.page(r)
	for p := first; ; p = f.page(r) {
		if r.Newest {
			all = append(slices.Clone(p.Messages), all...)
		} else {
			all = append(all, p.Messages...)
		}
		if !p.More {
			return all, first.Lost
		}
		if r.Newest {
			r.UpTo = p.Messages[0].Position.Offset - 1
		} else {
			r.After = p.Messages[len(p.Messages)-1].Position.Offset
		}
	}
}

// keeps fails unless channel has just the messages want after every offset of the log and between, and
// its loss is exact: everything of f.log on channel that is not in want and lies after the offset.
func (f *fixture) keeps(channel string, want []*todoke.Message) {
	f.t.Helper()
	head := f.head().Offset
	sent := f.of(channel)
	for after := todoke.Offset(0); after <= head; after++ {
		p := f.whole(channel, after, head)
		what := fmt.Sprintf("Read(%s after %d)", channel, after)
		compare(f.t, what, p.Messages, within(want, after, head))
		if loss := exact(sent, want, after); p.Lost != loss {
			f.t.Fatalf("%s: the loss is %+v, want %+v", what, p.Lost, loss)
		}
	}
}

// exact is the loss of a reader after an offset, when kept is left of what was sent on a channel.
func exact(sent, kept []*todoke.Message, after todoke.Offset) todoke.Loss {
	lost := len(sent) - len(kept) // retention takes the oldest
	if lost == 0 || sent[lost-1].Position.Offset <= after {
		return todoke.Loss{}
	}
	return todoke.Loss{Through: sent[lost-1].Position.Offset}
}
