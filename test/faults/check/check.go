// Package check says what a history of test/faults proves. It is a pure function of the history, and knows nothing of the
// harness that made it, so it can be tried on histories written by hand.
package check

import (
	"fmt"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/test/faults/history"
)

// A Kind is a promise that was broken.
type Kind string

const (
	Lost       Kind = "lost"            // acknowledged, and neither delivered nor covered by a gap
	Duplicated Kind = "duplicated"      // delivered or appended more often than once, or never published
	Reordered  Kind = "reordered"       // against the order of the log, of the publisher, or of another reader
	Gap        Kind = "unexplained gap" // told, and no fault explains it
	Broken     Kind = "broken"          // a process ended by itself, or somebody did not get to the end of the round
)

// A Violation is one place where a promise was broken.
type Violation struct {
	Kind  Kind
	Round int
	Text  string
}

func (v Violation) String() string { return fmt.Sprintf("round %d: %s: %s", v.Round, v.Kind, v.Text) }

// A Verdict is what the history shows.
type Verdict struct {
	Rounds, Acknowledged, Delivered, Gaps, Resumed, Failed int
	Violations                                             []Violation
}

// Count returns how many violations are of a kind.
func (v *Verdict) Count(k Kind) (n int) {
	for _, x := range v.Violations {
		if x.Kind == k {
			n++
		}
	}
	return n
}

// An id names a message as its publisher does.
type id struct {
	publisher string
	number    int64
}

func (i id) String() string { return fmt.Sprintf("%s/%d", i.publisher, i.number) }

// A message is what became of one.
type message struct {
	id
	channel  string
	sent     int             // index of the first attempt
	round    int             // of the first acknowledgement
	acked    todoke.Position // by the first acknowledgement
	at       map[string]todoke.Offset
	attempts int
	refused  int // attempts that appended nothing, it was said
}

// A checker goes through a history once.
type checker struct {
	verdict   Verdict
	round     int
	explains  bool // a fault of this round does
	messages  map[id]*message
	sent      []*message
	readers   map[string]*reader
	order     []*reader
	positions map[todoke.Position]id
	epochs    map[string]*epoch
	lastAck   map[string]spot // of each publisher
}

// An epoch is a history of the log, by the order in which they were seen.
type epoch struct {
	index     int
	explained bool
}

type spot struct {
	number   int64
	position todoke.Position
}

// Check goes through the events.
func Check(events []history.Event) Verdict {
	c := &checker{
		messages: map[id]*message{}, readers: map[string]*reader{}, positions: map[todoke.Position]id{},
		epochs: map[string]*epoch{}, lastAck: map[string]spot{},
	}
	for i, e := range events {
		c.take(i, e)
	}
	for _, m := range c.sent {
		c.arrived(m)
	}
	return c.verdict
}

func (c *checker) broken(k Kind, format string, args ...any) {
	c.verdict.Violations = append(c.verdict.Violations, Violation{k, c.round, fmt.Sprintf(format, args...)})
}

func (c *checker) take(i int, e history.Event) {
	for _, p := range []todoke.Position{e.From, e.Position, e.To} {
		c.see(p)
	}
	switch e.Kind {
	case history.Round:
		c.verdict.Rounds++
		c.round, c.explains = e.Round, false
	case history.Fault:
		c.explains = c.explains || e.Explains
	case history.Exited, history.Stuck:
		c.broken(Broken, "%s %s: %s", e.Who, e.Kind, e.Text)
	case history.Send, history.Ack, history.Refused, history.Unknown:
		c.published(i, e)
	case history.Follow:
		c.follow(i, e)
	case history.Message:
		c.delivered(e)
	case history.Gap:
		c.gap(e)
	case history.Failed:
		c.verdict.Failed++
	}
}

// see notes an epoch when it is met first.
func (c *checker) see(p todoke.Position) {
	if !p.IsZero() && c.epochs[p.Epoch] == nil {
		c.epochs[p.Epoch] = &epoch{index: len(c.epochs), explained: c.explains || len(c.epochs) == 0}
	}
}

func (c *checker) published(i int, e history.Event) {
	key := id{e.Who, e.Number}
	m := c.messages[key]
	if m == nil {
		m = &message{id: key, channel: e.Channel, sent: i, at: map[string]todoke.Offset{}}
		c.messages[key] = m
		c.sent = append(c.sent, m)
	}
	switch e.Kind {
	case history.Send:
		m.attempts++
	case history.Refused:
		m.refused++
	case history.Ack:
		c.acknowledged(m, e)
	}
}

func (c *checker) acknowledged(m *message, e history.Event) {
	c.place(m, e.Position)
	if !m.acked.IsZero() {
		if e.Position.Epoch != m.acked.Epoch && !c.epochs[e.Position.Epoch].explained {
			c.broken(Duplicated, "%s was acknowledged at %s and again at %s", m, m.acked, e.Position)
		}
		return
	}
	m.acked, m.round = e.Position, c.round
	c.verdict.Acknowledged++
	if e.Duplicate && m.attempts-1 == m.refused {
		c.broken(Duplicated, "%s was refused %d times, and yet is a duplicate at %s", m, m.refused, e.Position)
	}
	last := c.lastAck[m.publisher]
	if order, same := e.Position.Compare(last.position); same && order <= 0 && m.number > last.number {
		c.broken(Reordered, "%s was acknowledged at %s, and %s/%d before it at %s", m, e.Position, m.publisher, last.number, last.position)
	}
	c.lastAck[m.publisher] = spot{m.number, e.Position}
}

// place notes that m stands at p: a message has one position in an epoch, and a position one message.
func (c *checker) place(m *message, p todoke.Position) {
	if other, ok := c.positions[p]; ok && other != m.id {
		c.broken(Reordered, "position %s is that of %s and of %s", p, other, m)
	}
	c.positions[p] = m.id
	at, ok := m.at[p.Epoch]
	switch {
	case !ok:
		m.at[p.Epoch] = p.Offset
	case at != p.Offset:
		c.broken(Duplicated, "%s stands at %s and at offset %d", m, p, at)
	}
}
