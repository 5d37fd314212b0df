package check

import (
	"slices"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/test/faults/history"
)

// A reader is what one was given.
type reader struct {
	name     string
	interest []string
	began    int // index of its first event
	at       todoke.Position
	told     bool // a gap, since the last message
	seen     map[id]todoke.Position
	last     map[string]spot // of each publisher: the newest it was given
	gaps     []history.Event
}

func (r *reader) wants(channel string) bool {
	return slices.ContainsFunc(r.interest, func(p string) bool { return todoke.MatchPattern(p, channel) })
}

func (c *checker) follow(i int, e history.Event) {
	if c.readers[e.Who] != nil {
		c.verdict.Resumed++
		return
	}
	r := &reader{name: e.Who, interest: e.Channels, began: i, at: e.Position, seen: map[id]todoke.Position{}, last: map[string]spot{}}
	c.readers[e.Who] = r
	c.order = append(c.order, r)
}

func (c *checker) delivered(e history.Event) {
	c.verdict.Delivered++
	r, key := c.readers[e.Who], id{e.Publisher, e.Number}
	m := c.messages[key]
	switch {
	case r == nil:
		c.broken(Duplicated, "%s was given %s before it asked for anything", e.Who, key)
		return
	case m == nil:
		c.broken(Duplicated, "%s was given %s at %s, which nobody published", r.name, key, e.Position)
		return
	case m.channel != e.Channel || !r.wants(e.Channel):
		c.broken(Duplicated, "%s was given %s on %s", r.name, key, e.Channel)
	}
	c.place(m, e.Position)
	before, again := r.seen[key]
	switch {
	case again && (before.Epoch == e.Position.Epoch || !c.epochs[e.Position.Epoch].explained):
		c.broken(Duplicated, "%s was given %s at %s and again at %s", r.name, key, before, e.Position)
	default:
		c.ordered(r, m, e.Position)
	}
	r.seen[key], r.at, r.told = e.Position, e.Position, false
	r.last[e.Publisher] = spot{e.Number, e.Position}
}

// ordered looks at what r was given before m.
func (c *checker) ordered(r *reader, m *message, p todoke.Position) {
	order, same := p.Compare(r.at)
	last := r.last[m.publisher]
	switch {
	case same && order <= 0:
		c.broken(Reordered, "%s was given %s at %s after %s", r.name, m, p, r.at)
	case !same && !r.at.IsZero() && c.epochs[p.Epoch].index < c.epochs[r.at.Epoch].index:
		c.broken(Reordered, "%s was given %s at %s, of an epoch before that of %s", r.name, m, p, r.at)
	case !same && !r.at.IsZero() && !r.told:
		c.broken(Lost, "%s came from %s to %s without being told of a gap", r.name, r.at, p)
	case last.position.Epoch == p.Epoch && m.number <= last.number:
		c.broken(Reordered, "%s was given %s after %s/%d", r.name, m, m.publisher, last.number)
	}
}

func (c *checker) gap(e history.Event) {
	c.verdict.Gaps++
	r := c.readers[e.Who]
	if r == nil {
		c.broken(Gap, "%s was told one before it asked for anything", e.Who)
		return
	}
	r.told = true
	r.gaps = append(r.gaps, e)
	if !c.explains {
		c.broken(Gap, "%s was told one on %s from %s to %s", e.Who, e.Channel, e.From, e.To)
	}
}

// arrived looks for an acknowledged message at everybody who wanted it from before it was sent.
func (c *checker) arrived(m *message) {
	if m.acked.IsZero() {
		return
	}
	c.round = m.round
	for _, r := range c.order {
		if r.began > m.sent || !r.wants(m.channel) {
			continue
		}
		if _, ok := r.seen[m.id]; ok || c.covered(r, m) {
			continue
		}
		c.broken(Lost, "%s, acknowledged at %s, did not come to %s", m, m.acked, r.name)
	}
}

func (c *checker) covered(r *reader, m *message) bool {
	return slices.ContainsFunc(r.gaps, func(g history.Event) bool {
		return todoke.MatchPattern(g.Channel, m.channel) && c.within(m.acked, g.From, g.To)
	})
}

// within reports whether p lies in a gap. One from an epoch into another covers the rest of the first, the beginning of the
// second, and what was between them.
func (c *checker) within(p, from, to todoke.Position) bool {
	if from.Epoch == to.Epoch {
		return p.Epoch == from.Epoch && from.Offset <= p.Offset && p.Offset <= to.Offset
	}
	if from.IsZero() || to.IsZero() {
		return false
	}
	switch p.Epoch {
	case from.Epoch:
		return p.Offset >= from.Offset
	case to.Epoch:
		return p.Offset <= to.Offset
	}
	index := c.epochs[p.Epoch].index
	return c.epochs[from.Epoch].index < index && index < c.epochs[to.Epoch].index
}
