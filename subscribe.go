package todoke

import (
	"context"
	"slices"
	"time"
)

// Subscribe makes a subscription to channels and patterns (1 to MaxChannels) that starts at since; the zero Since is
// Now. Close it when done. A since that lies before what is retained begins with a Gap. ctx bounds the call only.
func (h *Hub) Subscribe(ctx context.Context, channels []string, since Since) (*Subscription, error) {
	if err := validateInterest(channels); err != nil {
		return nil, err
	}
	if since.IsZero() {
		since = Now()
	}
	if err := since.validate(); err != nil {
		return nil, err
	}
	if h.closed.Load() {
		return nil, errHubClosed()
	}
	if err := h.draining(); err != nil {
		return nil, err
	}
	if err := h.arrive(ctx, since); err != nil {
		return nil, err
	}
	s := h.register(channels)
	if since.kind == sinceNow {
		return s, nil
	}
	if err := s.rewind(ctx, since); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// validateInterest checks what a reader asks for.
func validateInterest(channels []string) error {
	if len(channels) == 0 {
		return errf(CodeInvalidChannel, "channel", "name at least one channel")
	}
	if len(channels) > MaxChannels {
		return errf(CodeTooManyChannels, "channel", "%d channels; at most %d are allowed in one request", len(channels), MaxChannels)
	}
	for _, channel := range channels {
		if err := ValidatePattern(channel); err != nil {
			return err
		}
	}
	return nil
}

// register makes a subscription that starts now.
func (h *Hub) register(channels []string) *Subscription {
	s := &Subscription{hub: h}
	for _, name := range channels {
		if !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
	}
	if len(s.names) > 1 || IsPattern(s.names[0]) {
		s.many = &several{all: make(map[*topic]*attachment)}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// Not the head: what was applied before this subscription was there is in no tail for it.
	head := h.applied
	s.history, s.cursor = h.history.Load(), head
	h.subs[s] = struct{}{}
	for _, name := range s.names {
		if !IsPattern(name) {
			t := h.topics[name]
			if t == nil {
				t = h.addTopic(name, head)
				h.index.match(name, func(other *Subscription) { other.attach(t, head) })
			}
			if s.many == nil {
				s.names = t.self
			}
			s.attach(t, 0)
			continue
		}
		h.index.add(name, s)
		clear(h.misses)
		for _, t := range h.topics {
			if MatchPattern(name, t.name) {
				s.attach(t, 0)
			}
		}
	}
	return s
}

// rewind sets a subscription that starts now back to since.
func (s *Subscription) rewind(ctx context.Context, since Since) error {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	from, err := s.hub.resolve(ctx, s.names, since, s.position())
	if err != nil {
		return err
	}
	if len(from.gaps) > 0 {
		s.backlog = &backlog{gaps: from.gaps}
	}
	if from.after == s.cursor {
		return nil
	}
	if !from.snapshot && s.tailsCover(from.after) {
		s.cursor = from.after
		return nil
	}
	sources, gaps, err := s.hub.sources(ctx, s.names, from.after, s.position(), from.quiet)
	if err != nil {
		return err
	}
	s.backlog = &backlog{gaps: append(from.gaps, gaps...), catchup: s.hub.newCatchup(s.cursor, sources...)}
	s.cursor = from.after
	if from.snapshot {
		return s.takeSnapshot(ctx)
	}
	return nil
}

// tailsCover reports whether the tails have all that a reader at the offset lacks: then it follows them at once, and shares
// their frames.
func (s *Subscription) tailsCover(after Offset) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.many == nil {
		return s.only.topic.covers(after, now)
	}
	for _, name := range s.names {
		if IsPattern(name) {
			return false // there may be channels without a topic
		}
	}
	for t := range s.many.all {
		if !t.covers(after, now) {
			return false
		}
	}
	for _, a := range s.many.all {
		if !a.dirty {
			a.dirty = true
			s.many.dirty = append(s.many.dirty, a)
		}
	}
	return true
}

// takeSnapshot reads all that is retained, conflated, to be given before anything live.
func (s *Subscription) takeSnapshot(ctx context.Context) error {
	b := s.backlog
	messages, gaps, err := s.hub.snapshot(ctx, b.catchup)
	if err != nil {
		return err
	}
	b.gaps = append(b.gaps, gaps...)
	b.ready, b.readyUpTo, b.catchup = messages, b.catchup.upTo, nil
	if len(messages) == 0 {
		s.cursor = b.readyUpTo
	}
	return nil
}

// rebase moves the reader from a history that is over to the present one: a gap, and then what there is.
func (s *Subscription) rebase(ctx context.Context) error {
	h := s.hub
	h.mu.Lock()
	now, at := h.history.Load(), h.at(Offset(h.head.Load()))
	h.mu.Unlock()
	from, err := h.resolve(ctx, s.names, After(s.position()), at)
	if err != nil {
		return err
	}
	sources, _, err := h.sources(ctx, s.names, from.after, at, true)
	if err != nil {
		return err
	}
	s.backlog = &backlog{gaps: from.gaps, catchup: h.newCatchup(at.Offset, sources...)}
	s.history, s.cursor = now, from.after
	return nil
}
