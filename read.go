package todoke

import "context"

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

// read returns what comes next, or nothing, after which the subscription is armed. s.readMu is held, here and below.
func (s *Subscription) read(ctx context.Context, f Format) (piece, error) {
	for armed := false; ; armed = true {
		p, err := s.step(ctx, f)
		if err != nil || !p.empty() {
			s.armed.Store(false)
			return p, err
		}
		if s.ending == nil {
			s.ending = s.hub.draining()
		}
		if s.ending != nil || armed {
			return p, s.ending
		}
		s.armed.Store(true) // and look once more: what came before now is found, what comes later wakes
	}
}

// step returns the next piece; an empty one when the reader is caught up.
func (s *Subscription) step(ctx context.Context, f Format) (piece, error) {
	for {
		switch {
		case s.closed.Load():
			return piece{}, &Error{Code: CodeClosed, Hint: "the subscription is closed"}
		case s.hub.closed.Load():
			return piece{}, errHubClosed()
		case s.generation != s.hub.generation.Load():
			if err := s.rebase(ctx); err != nil {
				return piece{}, err
			}
		case len(s.gaps) > 0:
			p := piece{gaps: s.gaps, more: len(s.ready) > 0 || s.catchup != nil}
			s.gaps = nil
			return p, nil
		case len(s.ready) > 0:
			return s.takeReady(), nil
		case s.catchup != nil:
			if err := s.catchUp(ctx); err != nil {
				return piece{}, err
			}
		default:
			p, again := s.follow(f)
			if !again {
				return p, nil
			}
		}
	}
}

// takeReady gives a batch of what is ready. Each message's position is safe to resume from, so any cut is.
func (s *Subscription) takeReady() piece {
	n := min(len(s.ready), batchMessages)
	p := piece{messages: s.ready[:n:n], more: n < len(s.ready) || s.catchup != nil}
	s.ready = s.ready[n:]
	if len(s.ready) > 0 {
		s.cursor = p.messages[n-1].Position.Offset
	} else {
		s.ready, s.cursor = nil, s.readyUpTo
	}
	return p
}

// catchUp reads the next batch from the engine into ready and gaps.
func (s *Subscription) catchUp(ctx context.Context) error {
	c := s.catchup
	if gaps := c.takeGaps(); len(gaps) > 0 {
		s.gaps = gaps
		return nil
	}
	messages, through, err := c.next(ctx, batchMessages, batchBytes)
	if err != nil {
		return err
	}
	s.ready, s.readyUpTo = s.hub.fold(messages), through
	if c.done() {
		s.catchup = nil
	}
	if len(messages) == 0 {
		s.cursor = through
	}
	return nil
}

// follow reads from the tails. again asks for another step: the piece is empty, and there may be more.
func (s *Subscription) follow(f Format) (p piece, again bool) {
	if s.many {
		return s.followMany(f)
	}
	head := Offset(s.hub.head.Load())
	a := s.only
	if a == nil {
		s.cursor = max(s.cursor, head)
		return piece{}, false
	}
	got, ok := a.topic.take(f, max(s.cursor, a.from), head)
	if !ok {
		s.catchup = s.hub.newCatchup(head, &source{channel: a.topic.name, after: max(s.cursor, a.from)})
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
		s.catchup = s.hub.newCatchup(upTo, lagged...)
		return piece{}, true
	case first == nil:
		s.cursor = upTo
		return piece{}, false
	}
	limit := upTo
	if second > 0 {
		limit = second - 1
	}
	got, ok := first.topic.take(f, max(s.cursor, first.from), limit)
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
		s.ready, s.readyUpTo = s.hub.fold(got.messages), got.through
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
	kept := s.dirty[:0]
	for _, a := range s.dirty {
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
	clear(s.dirty[len(kept):])
	s.dirty = kept
	if !behind {
		return first, second, nil
	}
	for _, a := range s.dirty {
		lagged = append(lagged, &source{channel: a.topic.name, after: max(s.cursor, a.from)})
	}
	return nil, 0, lagged
}

// advanceIdle moves the cursor of a reader that is caught up to the head.
func (s *Subscription) advanceIdle() {
	if len(s.gaps) > 0 || len(s.ready) > 0 || s.catchup != nil || s.generation != s.hub.generation.Load() {
		return
	}
	if s.many {
		upTo := Offset(s.hub.notified.Load())
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.dirty) == 0 {
			s.cursor = max(s.cursor, upTo)
		}
		return
	}
	head := Offset(s.hub.head.Load())
	if s.only == nil || !s.only.topic.pending(max(s.cursor, s.only.from)) {
		s.cursor = max(s.cursor, head)
	}
}
