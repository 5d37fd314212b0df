package todoke

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a topic's tail. A tail keeps at least the smaller numbers, so that readers who follow live are not thrown back on the
// engine by a namespace that retains little, and at most the larger.
const (
	tailMinMessages = 256
	tailMaxMessages = 16_384
	tailMinBytes    = 256 << 10
	tailMaxBytes    = 16 << 20
)

// A topic is the tail of a channel that has readers on this node, and their list. The tail holds all messages of the
// channel after start.
type topic struct {
	name string
	self []string // the name: what its readers keep, and not a piece of their requests
	ns   *namespace

	// For readers that only ask whether there is anything.
	start atomic.Uint64
	last  atomic.Uint64 // offset of the newest message; 0 if there was none

	mu       sync.Mutex
	messages deque[*Message]
	bytes    int
	popped   int // messages that were in front of the first one: a message's number is popped + its index
	// kept counts the messages, from the end, that the namespace's retention still has; readers who come
	// back get only those, and the rest as a gap, as if there were no tail.
	kept      int
	keptBytes int
	withTTL   int
	runs      []*run
	lastUse   time.Time

	queued bool // in the hub's list of dirty topics; guarded by Hub.mu

	readersMu sync.Mutex
	readers   []*attachment
	crowds    []*crowd // readers of followers, which are not in readers
}

// An attachment is a subscription's place among a topic's readers.
type attachment struct {
	sub   *Subscription
	topic *topic
	// from is where the attachment began: the subscription lacks nothing of the channel up to there.
	from  Offset
	index int    // in topic.readers, -1 when it has left; guarded by topic.readersMu. In crowd.members, if there is one
	crowd *crowd // owned by the follower's goroutine
	dirty bool   // in sub.many.dirty; guarded by sub.mu
}

func newTopic(name string, ns *namespace, start Offset) *topic {
	t := &topic{name: name, self: []string{name}, ns: ns, lastUse: time.Now()}
	t.start.Store(uint64(start))
	return t
}

// pending reports whether a reader at the offset lacks something, be it in the tail or beyond it.
func (t *topic) pending(at Offset) bool {
	return t.last.Load() > uint64(at) || t.start.Load() > uint64(at)
}

func (t *topic) append(m *Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := m.size()
	t.messages.push(m)
	t.bytes += size
	if m.TTL > 0 {
		t.withTTL++
	}
	t.keep(size)
	t.trim()
	t.lastUse = m.Time
	t.last.Store(uint64(m.Position.Offset))
}

// keep counts the new message and lets go of what the retention no longer has.
func (t *topic) keep(size int) {
	t.kept++
	t.keptBytes += size
	r := &t.ns.retention
	for t.kept > 0 && (t.kept > max(r.Messages, 0) || r.Bytes >= 0 && t.keptBytes > r.Bytes) {
		t.keptBytes -= t.messages.at(t.messages.len() - t.kept).size()
		t.kept--
	}
}

func (t *topic) trim() {
	r := &t.ns.retention
	most := min(max(r.Messages, tailMinMessages), tailMaxMessages)
	mostBytes := tailMaxBytes
	if r.Bytes >= 0 {
		mostBytes = min(max(r.Bytes, tailMinBytes), tailMaxBytes)
	}
	for t.messages.len() > most || t.bytes > mostBytes && t.messages.len() > 1 {
		t.pop()
	}
}

func (t *topic) pop() {
	if t.kept == t.messages.len() {
		t.kept--
		t.keptBytes -= t.messages.at(0).size()
	}
	m := t.messages.pop()
	t.popped++
	t.bytes -= m.size()
	if m.TTL > 0 {
		t.withTTL--
	}
	t.start.Store(uint64(m.Position.Offset))
}

// restart empties the tail; it now begins after the offset.
func (t *topic) restart(start Offset) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.messages.len() > 0 {
		t.messages.pop()
		t.popped++
	}
	t.bytes, t.kept, t.keptBytes, t.withTTL, t.runs = 0, 0, 0, 0, nil
	t.last.Store(0)
	t.start.Store(uint64(start))
}

// indexAfter is the index of the first message after the offset. t.mu is held.
func (t *topic) indexAfter(at Offset) int {
	n := t.messages.len()
	if n == 0 || t.messages.at(n-1).Position.Offset <= at {
		return n
	}
	return sort.Search(n, func(i int) bool { return t.messages.at(i).Position.Offset > at })
}

// covers reports whether a reader that comes back at the offset gets from the tail exactly what it would get from the engine.
func (t *topic) covers(at Offset, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if uint64(at) < t.start.Load() {
		return false
	}
	i := t.indexAfter(at)
	if i == t.messages.len() {
		return true
	}
	age := t.ns.retention.Age
	return i >= t.messages.len()-t.kept && (age < 0 || now.Sub(t.messages.at(i).Time) < age)
}

// next is the offset of the first message after the offset, up to upTo; ok is false if there is none in the tail.
func (t *topic) next(at, upTo Offset) (offset Offset, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.indexAfter(at)
	if i == t.messages.len() {
		return 0, false
	}
	offset = t.messages.at(i).Position.Offset
	return offset, offset <= upTo
}

// A share is a piece of the tail: the messages themselves, and, where a format was asked for and it could be
// shared, their encoded frames.
type share struct {
	messages []*Message
	frames   Frames
	encoded  bool
	through  Offset // the reader has everything of the channel up to here
	more     bool   // the tail has more in the range
}

// take returns what a reader after the offset lacks, up to upTo and within a batch's bounds, of which one is most bytes. With a nil format, or where the
// frames cannot be shared (the namespace conflates), it returns the messages. t.mu must not be held; ok is false when the
// tail does not reach back to the offset.
func (t *topic) take(f Format, after, upTo Offset, most int) (s share, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if uint64(after) < t.start.Load() {
		return share{}, false
	}
	i := t.indexAfter(after)
	j := t.indexAfter(upTo)
	if t.withTTL > 0 {
		now := time.Now()
		for i < j && t.messages.at(i).Expired(now) {
			after = t.messages.at(i).Position.Offset
			i++
		}
		for k := i; k < j; k++ {
			if t.messages.at(k).Expired(now) {
				j = k
				break
			}
		}
	}
	if i >= j {
		return share{through: max(after, min(upTo, Offset(t.last.Load()))), more: t.messages.len() > j && t.messages.at(j).Position.Offset <= upTo}, true
	}
	j = i + within(t.messages.slice(i, min(j, i+batchMessages)), most)
	if f != nil && (t.ns.conflation == ConflateNone || j-i == 1) {
		s.frames = t.run(f, i).slice(t, i, j)
		s.encoded = true
	} else {
		s.messages = append([]*Message(nil), t.messages.slice(i, j)...)
	}
	s.through = t.messages.at(j - 1).Position.Offset
	s.more = j < t.messages.len() && t.messages.at(j).Position.Offset <= upTo
	return s, true
}

// markReaders tells the topic's subscriptions of several channels and its crowds that it has something, and adds those who are to
// be woken to w.
func (t *topic) markReaders(w *wakeup) {
	t.readersMu.Lock()
	defer t.readersMu.Unlock()
	for _, a := range t.readers {
		if a.sub.many != nil {
			a.sub.mark(a)
		}
		w.readers = append(w.readers, a.sub)
	}
	for _, c := range t.crowds {
		c.follower.mark(c)
		w.addFollower(c.follower, int(c.size.Load()))
	}
}

func (t *topic) addReader(a *attachment) {
	t.readersMu.Lock()
	defer t.readersMu.Unlock()
	a.index = len(t.readers)
	t.readers = append(t.readers, a)
}

func (t *topic) removeReader(a *attachment) {
	if a.crowd != nil {
		a.crowd.leave(a)
		return
	}
	t.readersMu.Lock()
	defer t.readersMu.Unlock()
	if a.index < 0 {
		return
	}
	last := t.readers[len(t.readers)-1]
	t.readers[a.index], last.index = last, a.index
	t.readers[len(t.readers)-1] = nil
	t.readers = t.readers[:len(t.readers)-1]
	a.index = -1
	if cap(t.readers) > 64 && len(t.readers) < cap(t.readers)/4 {
		t.readers = append(make([]*attachment, 0, 2*len(t.readers)), t.readers...)
	}
	t.mu.Lock()
	t.lastUse = time.Now()
	t.mu.Unlock()
}

// removeCrowd takes a crowd without members off the topic.
func (t *topic) removeCrowd(c *crowd) {
	t.readersMu.Lock()
	defer t.readersMu.Unlock()
	t.crowds = slices.DeleteFunc(t.crowds, func(other *crowd) bool { return other == c })
	t.mu.Lock()
	t.lastUse = time.Now()
	t.mu.Unlock()
}

// audience is how many readers would have to be woken one by one.
func (t *topic) audience() int {
	t.readersMu.Lock()
	defer t.readersMu.Unlock()
	return len(t.readers)
}

// tidy lets go of what is too old, and of the frames of a topic that was quiet. It reports whether the topic itself is no longer
// needed: nobody reads it and nobody came back for a while, or only patterns reach it, whose readers
// have everything; they meet the channel again when it has a message. Hub.mu is held.
func (t *topic) tidy(now time.Time) bool {
	t.mu.Lock()
	for t.messages.len() > 0 && t.ns.retention.Age >= 0 && now.Sub(t.messages.at(0).Time) >= t.ns.retention.Age {
		t.pop()
	}
	if now.Sub(t.lastUse) > tidyEvery {
		t.runs = nil
	}
	idle := now.Sub(t.lastUse) > topicLinger
	t.mu.Unlock()
	if !idle {
		return false
	}
	t.readersMu.Lock()
	readers := append([]*attachment(nil), t.readers...)
	crowds := len(t.crowds)
	t.readersMu.Unlock()
	if crowds > 0 {
		return false
	}
	for _, a := range readers {
		if !a.sub.detachIdle(a) {
			return false
		}
	}
	return true
}
