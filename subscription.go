package todoke

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Subscription is a cursor into the log with a set of channels and patterns. It holds no queue: Next
// reads what lies after the cursor. One goroutine reads; Wake, Position, Remove and Close may be called from others.
type Subscription struct {
	hub  *Hub
	many bool // several channels, or a pattern: the hub marks what is new, so that a read need not look at all of them
	wake chan struct{}
	// armed is set by a reader that found nothing and may wait; who clears it sends the wake-up.
	armed  atomic.Bool
	closed atomic.Bool

	readMu     sync.Mutex // held by a read; guards the cursor and what follows
	generation uint64
	epoch      string
	cursor     Offset
	gaps       []Gap      // to be told next
	ready      []*Message // conflated, to be given next: at most one batch, or a snapshot
	readyUpTo  Offset     // where the cursor is when they are given
	catchup    *catchup   // reading from the engine; nil: following the tails
	ending     error      // why it ends: the hub drains

	mu    sync.Mutex // guards what the hub touches
	names []string   // as given
	only  *attachment
	all   map[*topic]*attachment // when many
	dirty []*attachment          // of them, those that may have something; when many
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
	case <-s.wake:
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
	p, err := s.read(ctx, nil)
	if err != nil {
		return Batch{}, err
	}
	return Batch{Gaps: p.gaps, Messages: p.messages, Position: s.position(), More: p.more}, nil
}

// ReadFrames is Read with the batch encoded; frames without bytes are empty.
func (s *Subscription) ReadFrames(ctx context.Context, f Format) (Frames, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	p, err := s.read(ctx, f)
	if err != nil {
		return Frames{}, err
	}
	if !p.encoded {
		p.frames = encode(f, p.gaps, p.messages)
	}
	p.frames.Position, p.frames.More = s.position(), p.more
	return p.frames, nil
}

// Wake returns the subscription's signal, which has one slot. After an empty Read it is sent on when there may be
// more, when the hub drains, and when the subscription or the hub is closed; now and then without a reason.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Position returns where the reader is: it has everything of its channels up to there. When it is caught up that is
// the head of the log, so an idle reader that is told its position now and then never falls behind the retention.
func (s *Subscription) Position() Position {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.advanceIdle()
	return s.position()
}

func (s *Subscription) position() Position { return Position{Epoch: s.epoch, Offset: s.cursor} }

// Channels returns the channels and patterns, as given.
func (s *Subscription) Channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

// rouse wakes the reader if it waits.
func (s *Subscription) rouse() {
	if s.armed.Swap(false) {
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
		s.dirty = append(s.dirty, a)
	}
}

// attach makes the subscription a reader of the topic, which lacks nothing of it up to from. Hub.mu is held.
func (s *Subscription) attach(t *topic, from Offset) {
	s.mu.Lock()
	if s.only != nil && s.only.topic == t || s.all[t] != nil {
		s.mu.Unlock()
		return
	}
	a := &attachment{sub: s, topic: t, from: from}
	if s.many {
		s.all[t] = a
	} else {
		s.only = a
	}
	s.mu.Unlock()
	t.addReader(a)
}

// detachIdle takes the subscription off a topic that only its patterns reach and of which it has everything. Hub.mu is held.
func (s *Subscription) detachIdle(a *attachment) bool {
	s.mu.Lock()
	if !s.many || a.dirty || slices.Contains(s.names, a.topic.name) {
		s.mu.Unlock()
		return false
	}
	delete(s.all, a.topic)
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
	if s.catchup != nil {
		s.catchup.keep(s.wants)
	}
	s.ready = slices.DeleteFunc(s.ready, func(m *Message) bool { return !s.wants(m.Channel) })
}

// Close ends the subscription; a Next that waits returns CodeClosed. It may be called again.
func (s *Subscription) Close() {
	if s.closed.Swap(true) {
		return
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
	s.remove(func(string) bool { return true })
	s.rouse()
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
	if s.only != nil && len(s.names) == 0 {
		left, s.only = append(left, s.only), nil
	}
	for t, a := range s.all {
		if !s.wants(t.name) {
			delete(s.all, t)
			left = append(left, a)
		}
	}
	s.dirty = slices.DeleteFunc(s.dirty, func(a *attachment) bool { return slices.Contains(left, a) })
	s.mu.Unlock()
	for _, a := range left {
		a.topic.removeReader(a)
	}
}

// wants reports whether the subscription's names take in the channel. s.names does not change meanwhile.
func (s *Subscription) wants(channel string) bool {
	return slices.ContainsFunc(s.names, func(name string) bool { return MatchPattern(name, channel) })
}
