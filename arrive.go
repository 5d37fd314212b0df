package todoke

import (
	"context"
	"time"
)

// arrivePatience is how long a reader waits whose position this node has not come to.
const arrivePatience = 5 * time.Second

// An arrival is a reader that waits for the node to come to its position.
type arrival struct {
	at   Position
	come chan struct{}
}

// has reports whether this node has everything up to p. h.mu is held.
func (h *Hub) has(p Position) bool {
	return h.epochNow() == p.Epoch && h.head.Load() >= uint64(p.Offset)
}

// arrive waits for a reader that comes from another node, which was a moment ahead: begun here and now it would be given again what
// it has. A position that the log does not have is not waited for.
func (h *Hub) arrive(ctx context.Context, since Since) error {
	p, ok := since.Position()
	if !ok {
		return nil
	}
	h.mu.Lock()
	here := h.has(p)
	h.mu.Unlock()
	if here {
		return nil
	}
	newest, err := h.engine.Head(ctx)
	if err != nil {
		return err
	}
	if p.Epoch != newest.Epoch || p.Offset > newest.Offset {
		return nil
	}
	a := &arrival{at: p, come: make(chan struct{})}
	h.mu.Lock()
	if h.has(p) {
		h.mu.Unlock()
		return nil
	}
	h.arrivals[a] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.arrivals, a)
	}()
	late := time.NewTimer(arrivePatience)
	defer late.Stop()
	select {
	case <-a.come:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return &Error{Code: CodeUnavailable, Hint: "this node has not come to the position yet; try again, here or on another", RetryAfter: lostRetry}
	}
}

// welcome lets those go on whose position was come to. h.mu is held.
func (h *Hub) welcome() {
	for a := range h.arrivals {
		if h.has(a.at) {
			close(a.come)
			delete(h.arrivals, a)
		}
	}
}
