package todoke

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Read implements Engine.
func (m *Memory) Read(ctx context.Context, r Range) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, fmt.Errorf("read %s: %w", r.Channel, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return Page{}, err
	}
	var page Page
	if ch := m.current(r.Channel); ch != nil {
		page.Lost = ch.loss(r.After, r.UpTo)
		ch.read(r, time.Now(), &page)
	} else if horizon := m.classOf(r.Channel).horizon; r.After < min(horizon, r.UpTo) {
		page.Lost = Loss{Through: min(horizon, r.UpTo), Possible: true}
	}
	return page, nil
}

// current returns the channel's state after letting go of what is too old; nil if nothing is left. m.mu is held.
func (m *Memory) current(name string) *memChannel {
	ch := m.channels[name]
	if ch == nil {
		return nil
	}
	ch.expire(time.Now())
	if ch.empty() {
		m.drop(ch)
		return nil
	}
	return ch
}

// listPause is after how many channels a long walk lets others have the log.
const listPause = 4096

// Channels implements Engine. It walks all channels, a few thousand at a time; those that appear meanwhile may be left out,
// for they begin after the call.
func (m *Memory) Channels(ctx context.Context, pattern string, after Offset) ([]string, Offset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, 0, err
	}
	var found []string
	if !IsPattern(pattern) {
		if ch := m.current(pattern); ch != nil && ch.last() > after {
			found = append(found, pattern)
		}
		return found, m.lostSince(pattern, after), ctx.Err()
	}
	seen := 0
	// A map may change between the steps of a walk, as long as no two goroutines touch it at once.
	for name := range m.channels {
		if seen++; seen%listPause == 0 {
			m.mu.Unlock()
			m.mu.Lock()
			if m.closed {
				return nil, 0, m.errClosed()
			}
			if err := ctx.Err(); err != nil {
				return nil, 0, fmt.Errorf("list %s: %w", pattern, err)
			}
		}
		if !MatchPattern(pattern, name) {
			continue
		}
		if ch := m.current(name); ch != nil && ch.last() > after {
			found = append(found, name)
		}
	}
	return found, m.lostSince(pattern, after), ctx.Err()
}

// lostSince returns the horizon of the namespaces that the pattern reaches, or 0 if it is not beyond after. m.mu is held.
func (m *Memory) lostSince(pattern string, after Offset) Offset {
	ns, _, found := strings.Cut(pattern, ":")
	var horizon Offset
	switch {
	case ns == "**" || ns == "*" && found:
		for _, class := range m.classes {
			horizon = max(horizon, class.horizon)
		}
	case found:
		horizon = m.classOf(ns + ":x").horizon
	default: // one segment: channels without a namespace
		horizon = m.classOf("x").horizon
	}
	if horizon <= after {
		return 0
	}
	return horizon
}

// Tail implements Engine.
func (m *Memory) Tail(ctx context.Context, from Position, sink Sink) error {
	registered := &memSink{sink}
	m.mu.Lock()
	if err := m.usable(); err != nil {
		m.mu.Unlock()
		return err
	}
	if from.Epoch == m.epoch && from.Offset < m.head {
		m.replay(from.Offset, sink)
	} else {
		sink.Epoch(m.epoch, m.head)
	}
	sink.Advance(m.head)
	m.sinks = append(m.sinks, registered)
	m.mu.Unlock()

	select {
	case <-ctx.Done():
	case <-m.done:
		return m.errClosed()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sinks = slices.DeleteFunc(m.sinks, func(s *memSink) bool { return s == registered })
	return ctx.Err()
}

// replay hands sink what is still kept after the offset. m.mu is held.
func (m *Memory) replay(after Offset, sink Sink) {
	sink.Epoch(m.epoch, after)
	var lost Offset
	for _, class := range m.classes {
		lost = max(lost, class.horizon)
	}
	for _, ch := range m.channels {
		lost = max(lost, ch.trimmed)
	}
	if lost > after {
		sink.Hole(after+1, lost)
		after = lost
	}
	var missed []*Message
	for _, ch := range m.channels {
		for i := ch.messages.len() - 1; i >= 0 && ch.messages.at(i).Position.Offset > after; i-- {
			missed = append(missed, ch.messages.at(i))
		}
	}
	slices.SortFunc(missed, func(a, b *Message) int { order, _ := a.Position.Compare(b.Position); return order })
	if len(missed) > 0 {
		sink.Apply(missed)
	}
}
