package todoke

import (
	"context"
	"errors"
)

// A piece is what one step of a read found.
type piece struct {
	gaps     []Gap
	messages []*Message
	frames   Frames
	encoded  bool
	more     bool
}

func (p *piece) empty() bool {
	return len(p.gaps) == 0 && len(p.messages) == 0 && len(p.frames.Bytes) == 0
}

// errMustWait says that a reader which must not wait would have to ask the engine.
var errMustWait = errors.New("the engine has to be asked")

// read returns what comes next, or nothing, after which the subscription is armed. patient says whether it may wait for the
// engine; if not it fails with errMustWait, and nothing has changed. s.readMu is held, here and below.
func (s *Subscription) read(ctx context.Context, f Format, patient bool) (piece, error) {
	for armed := false; ; armed = true {
		last := s.mayEnd() // asked first: what came before the drain is then found
		p, err := s.step(ctx, f, patient || s.hub.immediate)
		if err != nil || !p.empty() {
			s.armed.Store(false)
			return p, err
		}
		if s.backlog.empty() {
			s.backlog = nil
			if last {
				s.backlog = &backlog{ending: s.hub.draining()}
			}
		}
		if s.backlog != nil {
			return p, s.backlog.ending
		}
		if armed {
			return p, nil
		}
		if s.follower.Load() == nil {
			s.Wake() // whoever clears armed sends on it
		}
		s.armed.Store(true) // and look once more: what came before now is found, what comes later wakes
	}
}

// mayEnd reports whether the hub drains, and the reader can know of all that was published before.
func (s *Subscription) mayEnd() bool {
	return s.hub.drain.Load() != nil && (s.many == nil || s.hub.notified.Load() >= s.hub.drainHead.Load())
}

// step returns the next piece; an empty one when the reader is caught up.
func (s *Subscription) step(ctx context.Context, f Format, patient bool) (piece, error) {
	for {
		b := s.backlog
		switch {
		case s.closed.Load():
			return piece{}, &Error{Code: CodeClosed, Hint: "the subscription is closed"}
		case s.hub.closed.Load():
			return piece{}, errHubClosed()
		case s.history != s.hub.history.Load():
			if !patient {
				return piece{}, errMustWait
			}
			if err := s.rebase(ctx); err != nil {
				return piece{}, err
			}
		case b.empty() || b.ending != nil:
			p, again := s.follow(f)
			if !again {
				return p, nil
			}
		case len(b.gaps) > 0:
			p := piece{gaps: b.gaps, more: len(b.ready) > 0 || b.catchup != nil}
			b.gaps = nil
			return p, nil
		case len(b.ready) > 0:
			return s.takeReady(), nil
		default:
			if !patient {
				return piece{}, errMustWait
			}
			if err := s.catchUp(ctx); err != nil {
				return piece{}, err
			}
		}
	}
}

// takeReady gives a batch of what is ready. Each message's position is safe to resume from, so any cut is.
func (s *Subscription) takeReady() piece {
	b := s.backlog
	n := min(len(b.ready), batchMessages)
	if s.follower.Load() != nil {
		n = within(b.ready[:n], followedBytes)
	}
	p := piece{messages: b.ready[:n:n], more: n < len(b.ready) || b.catchup != nil}
	b.ready = b.ready[n:]
	if len(b.ready) > 0 {
		s.cursor = p.messages[n-1].Position.Offset
	} else {
		b.ready, s.cursor = nil, b.readyUpTo
	}
	return p
}

// within is how many of the messages, at least one, are not over the number of bytes.
func within(messages []*Message, most int) int {
	bytes := 0
	for n, m := range messages {
		if bytes += m.size(); bytes > most && n > 0 {
			return n
		}
	}
	return len(messages)
}

// catchUp reads the next batch from the engine into ready and gaps.
func (s *Subscription) catchUp(ctx context.Context) error {
	b := s.backlog
	c := b.catchup
	if gaps := c.takeGaps(); len(gaps) > 0 {
		b.gaps = gaps
		return nil
	}
	messages, through, err := c.next(ctx, batchMessages, batchBytes)
	if err != nil {
		return err
	}
	b.ready, b.readyUpTo = s.hub.fold(messages), through
	if c.done() {
		b.catchup = nil
	}
	if len(messages) == 0 {
		s.cursor = through
	}
	return nil
}

// follow reads from the tails. again asks for another step: the piece is empty, and there may be more.
func (s *Subscription) follow(f Format) (p piece, again bool) {
	if s.many != nil {
		return s.followMany(f)
	}
	head := Offset(s.hub.head.Load())
	a := &s.only
	if s.left {
		s.cursor = max(s.cursor, head)
		return piece{}, false
	}
	got, ok := a.topic.take(f, max(s.cursor, a.from), head, s.batchBytes())
	if !ok {
		s.backlog = &backlog{catchup: s.hub.newCatchup(head, &source{channel: a.topic.name, after: max(s.cursor, a.from)})}
		return piece{}, true
	}
	if !got.more {
		got.through = max(s.cursor, head)
	}
	return s.accept(got)
}

// followMany reads from the tail whose message is next in the log, as far as no other tail has one in between.
func (s *Subscription) followMany(f Format) (p piece, again bool) {
	upTo := Offset(s.hub.notified.Load())
	if upTo <= s.cursor {
		return piece{}, false
	}
	first, second, lagged := s.nextTopic(upTo)
	switch {
	case lagged != nil:
		s.backlog = &backlog{catchup: s.hub.newCatchup(upTo, lagged...)}
		return piece{}, true
	case first == nil:
		s.cursor = upTo
		return piece{}, false
	}
	limit := upTo
	if second > 0 {
		limit = second - 1
	}
	got, ok := first.topic.take(f, max(s.cursor, first.from), limit, s.batchBytes())
	if !ok {
		return piece{}, true // it was trimmed just now: look again
	}
	if !got.more {
		got.through = limit
	}
	got.more = got.more || second > 0
	return s.accept(got)
}

// accept moves the cursor over what a tail gave.
func (s *Subscription) accept(got share) (p piece, again bool) {
	if len(got.messages) > 1 && s.hub.namespaceOf(got.messages[0].Channel).conflation != ConflateNone {
		s.backlog = &backlog{ready: s.hub.fold(got.messages), readyUpTo: got.through}
		return piece{}, true
	}
	s.cursor = got.through
	p = piece{messages: got.messages, frames: got.frames, encoded: got.encoded, more: got.more}
	return p, p.empty() && got.more
}

// nextTopic finds, among the marked topics, the one with the next message up to upTo, and the offset at which another one has
// its next. Marks of topics that have nothing are cleared. When a tail no longer reaches back to the cursor, all marked ones
// are to be read from the engine.
func (s *Subscription) nextTopic(upTo Offset) (first *attachment, second Offset, lagged []*source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var firstOffset Offset
	behind := false
	kept := s.many.dirty[:0]
	for _, a := range s.many.dirty {
		at := max(s.cursor, a.from)
		behind = behind || uint64(at) < a.topic.start.Load()
		offset, ok := a.topic.next(at, upTo)
		switch {
		case !ok:
			// The waker marks after it appended, and needs s.mu: either we see the message here or the mark comes later.
			if a.dirty = a.topic.pending(max(at, upTo)) || behind; a.dirty {
				kept = append(kept, a)
			}
			continue
		case first == nil || offset < firstOffset:
			first, second, firstOffset = a, firstOffset, offset
		case second == 0 || offset < second:
			second = offset
		}
		kept = append(kept, a)
	}
	clear(s.many.dirty[len(kept):])
	s.many.dirty = kept
	if !behind {
		return first, second, nil
	}
	for _, a := range s.many.dirty {
		lagged = append(lagged, &source{channel: a.topic.name, after: max(s.cursor, a.from)})
	}
	return nil, 0, lagged
}

// batchBytes is about the most bytes of one batch.
func (s *Subscription) batchBytes() int {
	if s.follower.Load() != nil {
		return followedBytes
	}
	return batchBytes
}

// advanceIdle moves the cursor of a reader that is caught up to the head.
func (s *Subscription) advanceIdle() {
	if !s.backlog.empty() || s.history != s.hub.history.Load() {
		return
	}
	if s.many != nil {
		upTo := Offset(s.hub.notified.Load())
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.many.dirty) == 0 {
			s.cursor = max(s.cursor, upTo)
		}
		return
	}
	head := Offset(s.hub.head.Load())
	if s.left || !s.only.topic.pending(max(s.cursor, s.only.from)) {
		s.cursor = max(s.cursor, head)
	}
}
