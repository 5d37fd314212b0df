package nats

import (
	"container/list"
	"sort"
	"time"

	"github.com/todoke-dev/todoke"
)

// An entry is what is known of a stored message without having it.
type entry struct {
	at   todoke.Offset
	time time.Time
	ttl  time.Duration
	size int // what it counts for against a retention in bytes
	data int
}

func entryOf(m *todoke.Message) entry {
	size := len(m.Data) + len(m.Type) + len(m.Event) + len(m.Key)
	for name, value := range m.Headers {
		size += len(name) + len(value)
	}
	return entry{m.Position.Offset, m.Time, m.TTL, size, len(m.Data)}
}

func (n entry) expired(now time.Time) bool { return n.ttl > 0 && now.Sub(n.time) >= n.ttl }

// An index tells which messages of a channel are retained and what was lost. It is made from the store when the channel is first read and
// then follows the log; so retention is kept exactly although the store keeps more. Guarded by Engine.mu.
type index struct {
	channel string
	class   *class
	entries []entry // ascending; those before first are gone
	first   int
	bytes   int
	trimmed todoke.Offset // the greatest offset lost to retention; 0: none
	floor   todoke.Offset // what the channel had up to here may be gone from the store
	last    todoke.Offset // the newest message, kept or not

	ready   chan struct{} // closed when it was made, or given up
	built   bool
	pending []entry // came while it was made
	place   *list.Element
}

func (x *index) kept() []entry { return x.entries[x.first:] }

// append takes a message in and keeps to the limits in number and bytes.
func (x *index) append(n entry) {
	x.entries = append(x.entries, n)
	x.bytes += n.size
	x.last = n.at
	limits := x.class.limits
	for len(x.kept()) > max(limits.Messages, 0) || limits.Bytes >= 0 && x.bytes > limits.Bytes {
		if len(x.kept()) == 0 {
			return
		}
		x.pop(n.time) // what had expired before it was pushed out was lost to nobody
	}
}

// expire lets go of what is too old.
func (x *index) expire(now time.Time) {
	for len(x.kept()) > 0 {
		front := x.kept()[0]
		tooOld := x.class.limits.Age >= 0 && now.Sub(front.time) >= x.class.limits.Age
		if !tooOld && !front.expired(now) {
			return
		}
		x.pop(now)
	}
}

func (x *index) pop(now time.Time) {
	front := x.kept()[0]
	x.bytes -= front.size
	if !front.expired(now) {
		x.trimmed = front.at
	}
	x.first++
	if x.first > 64 && x.first > len(x.entries)/2 {
		x.entries = append([]entry(nil), x.kept()...)
		x.first = 0
	}
}

// gone takes note that the store has nothing up to an offset any more, although it was retained.
func (x *index) gone(through todoke.Offset) {
	for len(x.kept()) > 0 && x.kept()[0].at <= through {
		x.bytes -= x.kept()[0].size
		x.first++
	}
	x.trimmed = max(x.trimmed, through)
}

// loss tells what a reader after an offset has lost in a range that ends with upTo.
func (x *index) loss(after, upTo todoke.Offset) todoke.Loss {
	switch {
	case after >= upTo:
		return todoke.Loss{}
	case after < x.trimmed && x.trimmed <= upTo:
		return todoke.Loss{Through: x.trimmed}
	case after < x.trimmed:
		return todoke.Loss{Through: upTo, Possible: true} // the one at trimmed lies beyond; others before it may not
	case after < x.floor:
		return todoke.Loss{Through: min(x.floor, upTo), Possible: true}
	}
	return todoke.Loss{}
}

// pick returns the entries of a page, ascending, and whether there are more.
func (x *index) pick(r todoke.Range, now time.Time) (page []entry, more bool) {
	kept := x.kept()
	lo := sort.Search(len(kept), func(i int) bool { return kept[i].at > r.After })
	hi := sort.Search(len(kept), func(i int) bool { return kept[i].at > r.UpTo })
	i, step := lo, 1
	if r.Newest {
		i, step = hi-1, -1
	}
	bytes := 0
	for ; lo <= i && i < hi; i += step {
		n := kept[i]
		if n.expired(now) {
			continue
		}
		bytes += n.data
		if len(page) >= max(r.Limit, 1) || r.MaxBytes > 0 && bytes > r.MaxBytes && len(page) > 0 {
			more = true
			break
		}
		page = append(page, n)
	}
	if r.Newest {
		for a, b := 0, len(page)-1; a < b; a, b = a+1, b-1 {
			page[a], page[b] = page[b], page[a]
		}
	}
	return page, more
}

// Bounds of the indexes: those not read for the longest time go first, and are made again when they are asked for.
const (
	mostIndexes = 100_000
	mostEntries = 1_000_000 // 56 bytes each
)

// The indexes of the channels that were read. Guarded by Engine.mu.
type indexes struct {
	byChannel map[string]*index
	used      list.List // the one used last in front
	entries   int       // about
}

// find returns the index of a channel, or nil.
func (s *indexes) find(channel string) *index {
	x := s.byChannel[channel]
	if x != nil {
		s.used.MoveToFront(x.place)
	}
	return x
}

// begin adds an index that is being made.
func (s *indexes) begin(channel string, c *class) *index {
	x := &index{channel: channel, class: c, ready: make(chan struct{})}
	if s.byChannel == nil {
		s.byChannel = make(map[string]*index)
	}
	s.byChannel[channel] = x
	x.place = s.used.PushFront(x)
	return x
}

// note takes a new message in, if its channel has an index.
func (s *indexes) note(m *todoke.Message) {
	x := s.byChannel[m.Channel]
	switch {
	case x == nil:
	case !x.built:
		x.pending = append(x.pending, entryOf(m))
	default:
		before := len(x.entries)
		x.append(entryOf(m))
		s.entries += len(x.entries) - before
	}
}

// finish completes an index with what was stored up to the offset at which it had begun.
func (s *indexes) finish(x *index, found []entry, floor todoke.Offset) {
	x.floor = floor
	for _, n := range found {
		x.append(n)
	}
	for _, n := range x.pending {
		x.append(n)
	}
	x.pending, x.built = nil, true
	s.entries += len(x.entries)
	close(x.ready)
	s.evict()
}

func (s *indexes) evict() {
	for len(s.byChannel) > mostIndexes || s.entries > mostEntries && len(s.byChannel) > 1 {
		oldest := s.used.Back().Value.(*index)
		if !oldest.built {
			return
		}
		s.drop(oldest)
	}
}

// drop forgets an index; one that was being made is given up.
func (s *indexes) drop(x *index) {
	if s.byChannel[x.channel] != x {
		return
	}
	delete(s.byChannel, x.channel)
	s.used.Remove(x.place)
	s.entries -= len(x.entries)
	if !x.built {
		close(x.ready)
		x.built = true
	}
}

func (s *indexes) clear() {
	for _, x := range s.byChannel {
		s.drop(x)
	}
}
