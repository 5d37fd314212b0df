package nats

import (
	"sort"
	"time"

	"github.com/todoke-dev/todoke"
)

// Bounds of the ring: what a tail that is a little behind, and a read of what is new, need not fetch.
const (
	ringEntries = 1 << 14
	ringBytes   = 8 << 20
)

// A step is one offset, or a run of them, as the follower saw it.
type step struct {
	to      todoke.Offset
	message *todoke.Message // nil: no message of a channel lies here
	hole    todoke.Offset   // not 0: from here to `to` the stream has nothing any more
}

// A ring holds the newest steps. They cover all offsets after base.
type ring struct {
	steps []step
	first int // of steps: the oldest; what lies before is free
	bytes int
	base  todoke.Offset
}

func (r *ring) reset(base todoke.Offset) { *r = ring{base: base} }

func (r *ring) head() todoke.Offset {
	if r.first == len(r.steps) {
		return r.base
	}
	return r.steps[len(r.steps)-1].to
}

func (r *ring) push(s step) {
	r.steps = append(r.steps, s)
	r.bytes += cost(s)
	for len(r.steps)-r.first > ringEntries || r.bytes > ringBytes && len(r.steps)-r.first > 1 {
		oldest := &r.steps[r.first]
		r.bytes -= cost(*oldest)
		r.base = oldest.to
		*oldest = step{}
		r.first++
	}
	if r.first > len(r.steps)/2 && r.first > 1024 {
		r.steps = append(make([]step, 0, 2*(len(r.steps)-r.first)), r.steps[r.first:]...)
		r.first = 0
	}
}

func cost(s step) int {
	if s.message == nil {
		return 64
	}
	return 256 + len(s.message.Data)
}

// after returns the steps that end after an offset; ok is false when the ring does not reach back. They are valid while the
// engine's lock is held.
func (r *ring) after(offset todoke.Offset) (steps []step, ok bool) {
	if offset < r.base {
		return nil, false
	}
	kept := r.steps[r.first:]
	i := sort.Search(len(kept), func(i int) bool { return kept[i].to > offset })
	return kept[i:], true
}

// at returns the message at an offset, if it is there.
func (r *ring) at(offset todoke.Offset) *todoke.Message {
	kept := r.steps[r.first:]
	i := sort.Search(len(kept), func(i int) bool { return kept[i].to >= offset })
	if i < len(kept) && kept[i].to == offset {
		return kept[i].message
	}
	return nil
}

// A clock remembers when the newest messages were stored, longer than the ring.
type clock struct {
	seqs  []todoke.Offset
	times []time.Time
	next  int
}

const clockEntries = 1 << 16

func (c *clock) add(seq todoke.Offset, t time.Time) {
	if len(c.seqs) < clockEntries {
		c.seqs, c.times = append(c.seqs, seq), append(c.times, t)
		return
	}
	c.seqs[c.next], c.times[c.next] = seq, t
	c.next = (c.next + 1) % clockEntries
}

func (c *clock) at(seq todoke.Offset) (time.Time, bool) {
	n := len(c.seqs)
	index := func(i int) int { return (c.next + i) % n }
	i := sort.Search(n, func(i int) bool { return c.seqs[index(i)] >= seq })
	if i < n && c.seqs[index(i)] == seq {
		return c.times[index(i)], true
	}
	return time.Time{}, false
}
