package todoke

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// followedBytes is about the most bytes that a followed reader is given which are not shared: the transport keeps what of
// it could not be written.
const followedBytes = 32 << 10

// A Follower is one goroutine that reads many subscriptions, for transports that do not spend a goroutine on each
// connection. It visits the readers of a channel that has something new one after the other; a visit costs no wake-up and, for a
// reader of one channel that keeps up, no lock.
//
// Turn, and everything of the subscriptions given to it, is called by that goroutine alone. It may be several goroutines as
// long as one has its turn at a time.
type Follower struct {
	hub    *Hub
	awaken func(visits int)

	mu     sync.Mutex // guards what is to be taken, and the marks
	marked []*crowd
	roused []*Subscription

	// Owned by whose turn it is.
	queue deque[*crowd] // with readers left to visit
	alone deque[*Subscription]
	turns int
	view  view
}

// A Reader is what a followed subscription is read for. Ready is called at its follower's turn when the subscription may have
// something, or has ended; now and then without a reason.
type Reader interface {
	Ready()
}

// NewFollower returns a follower. awaken is called, from any goroutine, when a Turn is due for about so many visits. Where they are few it
// may take the turn itself, or wait for it; where they are many the caller may hold locks, and it must do neither.
func (h *Hub) NewFollower(awaken func(visits int)) *Follower {
	return &Follower{hub: h, awaken: awaken}
}

func (f *Follower) wake(visits int) { f.awaken(visits) }

// A crowd is the readers of one channel that one follower has. A hand goes round; when something new comes while it
// walks, all are left to visit again, but it goes on where it is: each visit gives all there is, so nobody waits longer than one round.
type crowd struct {
	follower *Follower
	topic    *topic
	size     atomic.Int32 // for whoever wakes

	marked bool // in follower.marked; guarded by Follower.mu

	// Owned by the follower's goroutine.
	members []*Subscription
	hand    int
	left    int // to visit
	queued  bool
}

// Follow gives the subscription to f, and r is told from now on. It is called at f's turn, by which nothing else uses the subscription; the
// caller then reads once, for what came before. Close ends it, also at f's turn.
func (s *Subscription) Follow(f *Follower, r Reader) {
	s.reader = r
	s.follower.Store(f)
	if s.many != nil || s.left || s.closed.Load() {
		return
	}
	s.only.topic.removeReader(&s.only)
	f.join(&s.only)
}

// Audience returns how many readers the subscription's first channel has on this node that followers serve, for spreading them.
func (s *Subscription) Audience() int {
	if s.many != nil {
		return 0
	}
	t := s.only.topic
	t.readersMu.Lock()
	defer t.readersMu.Unlock()
	n := 0
	for _, c := range t.crowds {
		n += int(c.size.Load())
	}
	return n
}

// TryReadFrames is ReadFrames for a goroutine that must not wait: read until there are no bytes, or More is false. ok is false when the engine has to be asked and takes time: call ReadFrames
// then, on another goroutine.
func (s *Subscription) TryReadFrames(f Format) (frames Frames, ok bool, err error) {
	if follower := s.follower.Load(); follower != nil && s.many == nil && s.backlog == nil {
		if frames, ok := follower.view.read(s, f); ok {
			return frames, true, nil
		}
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.isParked() {
		return Frames{Position: s.position()}, true, nil
	}
	p, err := s.read(context.Background(), f, false)
	switch {
	case errors.Is(err, errMustWait):
		return Frames{}, false, nil
	case err != nil:
		return Frames{}, true, err
	}
	frames = s.framesOf(f, p)
	// Only an empty read tells that there is no more, and has the next message rouse a reader of several channels.
	frames.More = len(frames.Bytes) > 0
	return frames, true, nil
}

// Rewind takes back what of frames, the last ones read, could not be written: sent is how many bytes were. It returns a copy of what
// still has to be written before anything else: the rest of a frame that was cut, and where frames are not shared everything.
func (s *Subscription) Rewind(frames Frames, sent int) (rest []byte) {
	if frames.offsets == nil {
		return append([]byte(nil), frames.Bytes[sent:]...)
	}
	cut := frames.indexAt(sent)
	start, end := frames.bounds(cut)
	s.cursor = frames.before
	if sent > start {
		s.cursor = frames.offsets[cut]
		return append([]byte(nil), frames.Bytes[sent:end]...)
	}
	if cut > 0 {
		s.cursor = frames.offsets[cut-1]
	}
	return nil
}

// Turn visits up to about most readers and reports whether there are more.
func (f *Follower) Turn(most int) (visits int, more bool) {
	f.take()
	share := most
	if f.queue.len() > 0 { // half for each kind of reader, however busy the other is
		f.turns++
		share = (most + f.turns%2) / 2
	}
	visits = f.visitAlone(share)
	visits += f.visitCrowds(most - visits)
	visits += f.visitAlone(most - visits)
	return visits, f.queue.len() > 0 || f.alone.len() > 0
}

func (f *Follower) visitAlone(most int) (visits int) {
	for ; visits < most && f.alone.len() > 0; visits++ {
		f.alone.pop().reader.Ready()
	}
	return visits
}

func (f *Follower) visitCrowds(most int) (visits int) {
	for visits < most && f.queue.len() > 0 {
		c := f.queue.pop()
		visits += c.walk(min(most-visits, crowdTurn))
		if c.left > 0 {
			f.queue.push(c) // channels take turns
		} else {
			c.queued = false
		}
	}
	return visits
}

// crowdTurn is how many readers of a channel are visited before another channel has its turn.
const crowdTurn = 64

// walk visits up to most of those that are left.
func (c *crowd) walk(most int) (visits int) {
	for c.left > 0 && visits < most {
		if c.hand >= len(c.members) {
			c.hand = 0
		}
		s := c.members[c.hand]
		c.hand++
		c.left--
		visits++
		s.reader.Ready() // may leave, or let others in
	}
	return visits
}

// take brings what others have marked into the follower's own lists.
func (f *Follower) take() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.marked {
		c.marked = false
		c.left = len(c.members)
		if !c.queued && c.left > 0 {
			c.queued = true
			f.queue.push(c)
		}
		f.marked[i] = nil
	}
	f.marked = f.marked[:0]
	for i, s := range f.roused {
		f.alone.push(s)
		s.roused = false
		f.roused[i] = nil
	}
	f.roused = f.roused[:0]
}

// mark has a crowd's readers visited.
func (f *Follower) mark(c *crowd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.marked {
		c.marked = true
		f.marked = append(f.marked, c)
	}
}

// rouse has one reader visited.
func (f *Follower) rouse(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.roused {
		return
	}
	s.roused = true
	f.roused = append(f.roused, s)
}

// join makes a reader one of the crowd of its topic.
func (f *Follower) join(a *attachment) {
	t := a.topic
	t.readersMu.Lock()
	for _, c := range t.crowds {
		if c.follower == f {
			a.crowd = c
		}
	}
	if a.crowd == nil {
		a.crowd = &crowd{follower: f, topic: t}
		t.crowds = append(t.crowds, a.crowd)
	}
	t.readersMu.Unlock()
	c := a.crowd
	a.index = len(c.members)
	c.members = append(c.members, a.sub)
	c.size.Store(int32(len(c.members)))
	if c.left > 0 {
		c.left++ // the new one stands between those that are left
	}
}

// leave takes a reader out. Whoever takes its place may so be passed by, so all that are left to visit are visited anew.
func (c *crowd) leave(a *attachment) {
	a.crowd = nil
	last := len(c.members) - 1
	c.members[a.index] = c.members[last]
	c.members[a.index].only.index = a.index
	c.members[last] = nil
	c.members = c.members[:last]
	if cap(c.members) > 64 && last < cap(c.members)/4 {
		c.members = append(make([]*Subscription, 0, 2*last), c.members...)
	}
	a.index = -1
	c.size.Store(int32(last))
	if c.left > 0 {
		c.left = last
	}
	if last == 0 {
		c.topic.removeCrowd(c)
	}
}
