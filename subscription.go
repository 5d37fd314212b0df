package todoke

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Subscription is a cursor into the log with a set of channels and patterns. It holds no queue: Next
// reads what lies after the cursor. One goroutine reads; Wake, Position, Remove and Close may be called from others. One that
// was given to a Follower is its goroutine's alone.
//
// There are tens of thousands of them, most of them idle and of one channel, so what others need is behind pointers.
type Subscription struct {
	hub *Hub
	// only is the one channel of a subscription that has one, else without a topic.
	only attachment
	many *several // several channels, or a pattern; nil: one channel

	readMu  sync.Mutex // held by a read; guards the cursor and what follows
	history *history
	cursor  Offset
	backlog *backlog // what comes before the tails; nil: following them
	left    bool     // its one channel was removed

	mu    sync.Mutex // guards what the hub touches
	names []string   // as given
	wake  chan struct{}

	follower atomic.Pointer[Follower] // who reads, if it was given to one
	reader   Reader                   // of the follower's

	// armed is set by a reader that found nothing and may wait; who clears it sends the wake-up.
	armed  atomic.Bool
	closed atomic.Bool
	roused bool // in the follower's list; guarded by Follower.mu
}

// several is what a subscription of several channels has: the hub marks what is new, so that a read need not look at all.
// Guarded by Subscription.mu.
type several struct {
	all   map[*topic]*attachment
	dirty []*attachment // of them, those that may have something
}

// A backlog is what a reader gets before it follows the tails, and how it ends. Guarded by Subscription.readMu.
type backlog struct {
	gaps      []Gap      // to be told next
	ready     []*Message // conflated, to be given next: at most one batch, or a snapshot
	readyUpTo Offset     // where the cursor is when they are given
	catchup   *catchup   // reading from the engine
	ending    error      // why it ends: the hub drains
	parked    uint64     // waits for the log until Hub.repairs comes to it; 0: does not
}

func (b *backlog) empty() bool {
	return b == nil || len(b.gaps) == 0 && len(b.ready) == 0 && b.catchup == nil && b.ending == nil
}

// A Batch is what a read gives: gap notices, and then messages, in order.
type Batch struct {
	Gaps     []Gap
	Messages []*Message // shared: not to be changed
	// Position is where the reader is when it has them.
	Position Position
	// More says that there is more already.
	More bool
}

// Next waits until there is something after the cursor, returns it and moves the cursor. It ends with ctx's error, with
// CodeClosed, or with CodeRestarting when the hub drains.
func (s *Subscription) Next(ctx context.Context) (Batch, error) {
	for {
		b, err := s.Read(ctx)
		if err != nil || len(b.Messages) > 0 || len(b.Gaps) > 0 {
			return b, err
		}
		if err := s.wait(ctx); err != nil {
			return Batch{}, err
		}
	}
}

// NextFrames is Next with the batch encoded.
func (s *Subscription) NextFrames(ctx context.Context, f Format) (Frames, error) {
	for {
		frames, err := s.ReadFrames(ctx, f)
		if err != nil || len(frames.Bytes) > 0 {
			return frames, err
		}
		if err := s.wait(ctx); err != nil {
			return Frames{}, err
		}
	}
}

func (s *Subscription) wait(ctx context.Context) error {
	select {
	case <-s.Wake():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read is Next without waiting: when there is nothing the batch is empty, and Wake then tells of more. ctx bounds what
// has to be read from the engine.
func (s *Subscription) Read(ctx context.Context) (Batch, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	p, err := s.read(ctx, nil, true)
	if err != nil {
		return Batch{}, err
	}
	return Batch{Gaps: p.gaps, Messages: p.messages, Position: s.position(), More: p.more}, nil
}

// ReadFrames is Read with the batch encoded; frames without bytes are empty. While the log cannot be reached there are none, and Wake
// tells when it can: a stream keeps its reader.
func (s *Subscription) ReadFrames(ctx context.Context, f Format) (Frames, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	p, err := s.read(ctx, f, true)
	if err != nil {
		return Frames{Position: s.position()}, s.park(ctx, err)
	}
	return s.framesOf(f, p), nil
}

// framesOf encodes what is not yet. readMu is held.
func (s *Subscription) framesOf(f Format, p piece) Frames {
	if !p.encoded {
		p.frames = encode(f, p.gaps, p.messages)
	}
	p.frames.Position, p.frames.More = s.position(), p.more
	return p.frames
}

// Wake returns the subscription's signal, which has one slot. After an empty Read it is sent on when there may be
// more, when the hub drains, and when the subscription or the hub is closed; now and then without a reason.
func (s *Subscription) Wake() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	return s.wake
}

// Position returns where the reader is: it has everything of its channels up to there. When it is caught up that is
// the head of the log, so an idle reader that is told its position now and then never falls behind the retention.
func (s *Subscription) Position() Position {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.advanceIdle()
	return s.position()
}

func (s *Subscription) position() Position { return Position{Epoch: s.history.epoch, Offset: s.cursor} }

// Channels returns the channels and patterns, as given.
func (s *Subscription) Channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

// rouse wakes the reader if it waits. One that is followed is only put on its follower's list: the caller wakes the followers in w, when
// it holds no lock.
func (s *Subscription) rouse(w *wakeup) {
	if f := s.follower.Load(); f != nil {
		if s.many == nil || s.armed.Swap(false) {
			f.rouse(s)
			w.addFollower(f, 1)
		}
		return
	}
	if s.armed.Swap(false) {
		// The reader has made the channel before it armed itself.
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// mark puts an attachment on the list of those that may have something.
func (s *Subscription) mark(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.dirty {
		a.dirty = true
		s.many.dirty = append(s.many.dirty, a)
	}
}

// attach makes the subscription a reader of the topic, which lacks nothing of it up to from. Hub.mu is held.
func (s *Subscription) attach(t *topic, from Offset) {
	s.mu.Lock()
	var a *attachment
	switch {
	case s.many == nil && s.only.topic == nil:
		a = &s.only
		*a = attachment{sub: s, topic: t, from: from}
	case s.many != nil && s.many.all[t] == nil:
		a = &attachment{sub: s, topic: t, from: from}
		s.many.all[t] = a
	}
	s.mu.Unlock()
	if a != nil {
		t.addReader(a)
	}
}

// detachIdle takes the subscription off a topic that only its patterns reach and of which it has everything. Hub.mu is held.
func (s *Subscription) detachIdle(a *attachment) bool {
	s.mu.Lock()
	if s.many == nil || a.dirty || slices.Contains(s.names, a.topic.name) {
		s.mu.Unlock()
		return false
	}
	delete(s.many.all, a.topic)
	s.mu.Unlock()
	a.topic.removeReader(a)
	return true
}

// Remove takes channels and patterns, as they were given, out of the subscription. The rest goes on.
func (s *Subscription) Remove(channels ...string) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.remove(func(name string) bool { return slices.Contains(channels, name) })
	s.left = len(s.names) == 0
	if b := s.backlog; b != nil {
		if b.catchup != nil {
			b.catchup.keep(s.wants)
		}
		b.ready = slices.DeleteFunc(b.ready, func(m *Message) bool { return !s.wants(m.Channel) })
	}
}

// Close ends the subscription; a Next that waits returns CodeClosed. It may be called again.
func (s *Subscription) Close() {
	if s.closed.Swap(true) {
		return
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
	delete(s.hub.parked, s)
	s.remove(func(string) bool { return true })
	if s.follower.Load() == nil { // else who closes it is who reads it
		s.rouse(nil)
	}
}

// remove takes names out, and leaves the topics that no other name wants. Hub.mu is held.
func (s *Subscription) remove(gone func(name string) bool) {
	s.mu.Lock()
	s.names = slices.DeleteFunc(slices.Clone(s.names), func(name string) bool {
		if !gone(name) {
			return false
		}
		if IsPattern(name) {
			s.hub.index.remove(name, s)
		}
		return true
	})
	var left []*attachment
	if s.many == nil && s.only.topic != nil && len(s.names) == 0 {
		left = append(left, &s.only)
	}
	if s.many != nil {
		for t, a := range s.many.all {
			if !s.wants(t.name) {
				delete(s.many.all, t)
				left = append(left, a)
			}
		}
		s.many.dirty = slices.DeleteFunc(s.many.dirty, func(a *attachment) bool { return slices.Contains(left, a) })
	}
	s.mu.Unlock()
	for _, a := range left {
		a.topic.removeReader(a)
	}
}

// wants reports whether the subscription's names take in the channel. s.names does not change meanwhile.
func (s *Subscription) wants(channel string) bool {
	return slices.ContainsFunc(s.names, func(name string) bool { return MatchPattern(name, channel) })
}
