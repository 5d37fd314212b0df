package todoke

import "context"

// manyVisits has a follower use its own goroutine.
const manyVisits = 1 << 30

// fewReaders is how many readers a publisher wakes itself. More are left to the waker: however many readers a channel
// has, a publish costs about the same.
const fewReaders = 16

// A wakeup is what whoever wakes readers needs for one round. It is used again.
type wakeup struct {
	topics   []*topic
	readers  []*Subscription
	calls    []called
	notified uint64
}

func (w *wakeup) addFollower(f *Follower, visits int) {
	for i := range w.calls { // a node has few
		if w.calls[i].follower == f {
			w.calls[i].visits += visits
			return
		}
	}
	w.calls = append(w.calls, called{f, visits})
}

func (w *wakeup) reset() {
	clear(w.topics)
	clear(w.readers)
	clear(w.calls)
	w.topics, w.readers, w.calls = w.topics[:0], w.readers[:0], w.calls[:0]
}

// settle moves notified when there is nothing to tell, or else wakes the waker. h.mu is held.
func (h *Hub) settle() {
	h.tellDrained()
	if h.waking {
		return // who is waking settles when it is done
	}
	if h.applied > Offset(h.head.Load()) {
		return // Advance settles: a reader that is woken before finds nothing, and sleeps on
	}
	if len(h.dirty) == 0 {
		h.notified.Store(h.head.Load())
		h.tellDrained()
		return
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// wakeReaders tells readers that their channels have something new, where the publishers do not.
func (h *Hub) wakeReaders(ctx context.Context) {
	for {
		select {
		case <-h.kick:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		taken := h.takeDirty()
		h.mu.Unlock()
		if taken {
			h.wakeTaken()
		}
	}
}

// deliver is called by a publisher after its messages were applied: it wakes their readers, if they are few, without a
// hop to another goroutine.
func (h *Hub) deliver() {
	h.mu.Lock()
	if h.waking || len(h.dirty) == 0 {
		h.mu.Unlock()
		return
	}
	readers := 0
	for _, t := range h.dirty {
		readers += 1 + t.audience()
		if readers > fewReaders {
			h.settle()
			h.mu.Unlock()
			return
		}
	}
	taken := h.takeDirty()
	h.mu.Unlock()
	if taken {
		h.wakeTaken()
	}
}

// takeDirty moves the list of dirty topics into the wakeup; none between Apply and Advance, see settle. If it returns true the
// caller calls wakeTaken. h.mu is held.
func (h *Hub) takeDirty() bool {
	if h.waking || h.applied > Offset(h.head.Load()) {
		return false
	}
	h.wakeup.topics = append(h.wakeup.topics, h.dirty...)
	clear(h.dirty)
	h.dirty = h.dirty[:0]
	for _, t := range h.wakeup.topics {
		t.queued = false
	}
	h.wakeup.notified = h.head.Load()
	h.waking = true
	return true
}

// wakeTaken wakes the readers of the topics taken. First everything is marked, then the watermark moves, then they are woken: a
// reader that looks between two of these steps either does not see the watermark or finds its marks.
func (h *Hub) wakeTaken() {
	w := &h.wakeup
	for _, t := range w.topics {
		t.markReaders(w)
	}
	h.notified.Store(w.notified)
	for _, s := range w.readers {
		s.rouse(w)
	}
	// A follower may use the time of whoever wakes it. Others then need not wait with their waking.
	var room [8]called
	calls := append(room[:0], w.calls...)
	w.reset()
	h.mu.Lock()
	h.waking = false
	h.settle()
	h.mu.Unlock()
	for _, c := range calls {
		c.follower.wake(c.visits)
	}
}

// A called is a follower that is to be woken, for about so many visits.
type called struct {
	follower *Follower
	visits   int
}
