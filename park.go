package todoke

import (
	"context"
	"errors"
)

// park makes of a read that failed because the log cannot be reached an empty one: the reader keeps its place and its connection, and is
// woken when the log answers again. Any other error is returned. s.readMu is held.
func (s *Subscription) park(ctx context.Context, err error) error {
	h := s.hub
	if h.immediate || ctx.Err() != nil || !errors.Is(err, CodeUnavailable) {
		return err
	}
	if ending := h.draining(); ending != nil {
		return ending // it resumes on another node, rather than wait here for the log
	}
	if s.backlog == nil {
		s.backlog = &backlog{}
	}
	if s.follower.Load() == nil {
		s.Wake() // whoever clears armed sends on it
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.closed.Load() || h.closed.Load() {
		return err
	}
	h.parked[s] = struct{}{}
	s.backlog.parked = h.repairs.Load() + 1
	s.armed.Store(true)
	h.health.sound()
	return nil
}

// isParked reports whether asking the engine makes no sense yet. s.readMu is held.
func (s *Subscription) isParked() bool {
	return s.backlog != nil && s.backlog.parked == s.hub.repairs.Load()+1 && s.hub.drain.Load() == nil && !s.closed.Load() && !s.hub.closed.Load()
}

// unpark has those read again that wait for the log.
func (h *Hub) unpark() {
	h.mu.Lock()
	var w wakeup
	h.repairs.Add(1)
	for s := range h.parked {
		s.rouse(&w)
	}
	clear(h.parked)
	h.mu.Unlock()
	for _, c := range w.calls {
		c.follower.wake(c.visits)
	}
}
