package todoke

import (
	"context"
	"time"
)

// maxMisses bounds the memory of channels that no pattern takes in.
const maxMisses = 65_536

// An applier is the hub as the engine's sink: it brings what is new to the topics, in the order of the log.
type applier Hub

var _ Sink = (*applier)(nil)

// Epoch implements Sink.
func (a *applier) Epoch(id string, head Offset) {
	h := (*Hub)(a)
	h.health.tailFollows()
	h.mu.Lock()
	defer h.mu.Unlock()
	if id == h.epochNow() {
		return
	}
	first := h.history.Load() == nil
	// Before the tails begin anew: whoever finds them so finds the era changed.
	h.history.Store(&history{epoch: id})
	h.era.Add(1)
	for _, t := range h.topics {
		t.restart(head)
	}
	h.applied = head
	h.head.Store(uint64(head))
	h.welcome()
	h.notified.Store(uint64(head))
	h.drainHead.Store(uint64(head))
	if first {
		close(h.opening)
		return
	}
	h.rouseEach()
}

// Apply implements Sink.
func (a *applier) Apply(batch []*Message) {
	h := (*Hub)(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range batch {
		h.applied = m.Position.Offset
		t := h.topics[m.Channel]
		if t == nil {
			if t = h.matchNew(m); t == nil {
				continue
			}
		}
		t.append(m)
		h.markDirty(t)
	}
}

// Advance implements Sink. The head moves only now: a reader that sees it finds everything below it in the topics.
func (a *applier) Advance(head Offset) {
	h := (*Hub)(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied = max(h.applied, head)
	h.head.Store(uint64(head))
	h.welcome()
	if !h.immediate || len(h.dirty) == 0 {
		h.settle() // else the publisher delivers
	}
}

// Hole implements Sink: the tails no longer reach back; readers that need the part read it from the engine, which knows
// what is left of it.
func (a *applier) Hole(_, to Offset) {
	h := (*Hub)(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied = max(h.applied, to)
	for _, t := range h.topics {
		t.restart(to)
		h.markDirty(t)
	}
}

// matchNew makes a topic for the first message of a channel that some pattern takes in. h.mu is held.
func (h *Hub) matchNew(m *Message) *topic {
	if h.index.empty() {
		return nil
	}
	if _, missed := h.misses[m.Channel]; missed {
		return nil
	}
	var t *topic
	start := m.Position.Offset - 1
	h.index.match(m.Channel, func(s *Subscription) {
		if t == nil {
			t = h.addTopic(m.Channel, start)
		}
		s.attach(t, start)
	})
	if t == nil {
		if len(h.misses) >= maxMisses {
			clear(h.misses)
		}
		h.misses[m.Channel] = struct{}{}
	}
	return t
}

// addTopic makes the topic of a channel, whose tail begins after start. h.mu is held.
func (h *Hub) addTopic(channel string, start Offset) *topic {
	t := newTopic(channel, h.namespaceOf(channel), start)
	h.topics[channel] = t
	return t
}

// markDirty has the waker tell the topic's readers. h.mu is held.
func (h *Hub) markDirty(t *topic) {
	if !t.queued {
		t.queued = true
		h.dirty = append(h.dirty, t)
	}
}

const (
	tidyEvery   = 5 * time.Second
	topicLinger = time.Minute // how long a topic without readers waits for them to come back
	tidyBatch   = 256
)

// tidy lets go of what nobody has needed for a while.
func (h *Hub) tidy(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			h.tidyTopics(now)
			if err := h.announce(func(*Node) {}); err != nil && ctx.Err() == nil {
				h.log.Warn("other nodes are not told of this one", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (h *Hub) tidyTopics(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	// A map may change between the steps of a walk, as long as no two goroutines touch it at once.
	for _, t := range h.topics {
		if n++; n%tidyBatch == 0 {
			h.mu.Unlock()
			h.mu.Lock()
		}
		if t.tidy(now) && h.topics[t.name] == t && !t.queued {
			delete(h.topics, t.name)
		}
	}
}
