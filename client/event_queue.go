package client

import (
	"context"
	"sync"

	"github.com/todoke-dev/todoke"
)

const (
	queueEnough = 64   // events at which a session reads no further while no answer is waited for
	queueMost   = 4096 // events at which it gives up
)

// An eventQueue holds a session's events between its reader and Next, within bounds.
type eventQueue struct {
	maxBytes int
	filled   chan struct{} // one slot: there is something to take
	drained  chan struct{} // one slot: the reader may look again
	closed   chan struct{}
	once     *sync.Once

	mu      sync.Mutex
	events  []queued
	bytes   int
	wanting int // answers that are waited for
}

type queued struct {
	Event
	size int
}

func newEventQueue(maxBytes int) eventQueue {
	return eventQueue{
		maxBytes: maxBytes, once: new(sync.Once),
		filled: make(chan struct{}, 1), drained: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// put waits for room as long as no answer is wanted. The error says that the program does not take its events.
func (q *eventQueue) put(e Event, size int) error {
	for {
		q.mu.Lock()
		switch {
		case len(q.events) >= queueMost, len(q.events) > 0 && q.bytes+size > q.maxBytes && q.wanting > 0:
			q.mu.Unlock()
			return &todoke.Error{Code: todoke.CodeTooLarge, Hint: "too many events of this session wait; call Next more often"}
		case len(q.events) < queueEnough && q.bytes+size <= q.maxBytes, len(q.events) == 0, q.wanting > 0:
			q.events = append(q.events, queued{e, size})
			q.bytes += size
			q.mu.Unlock()
			signal(q.filled)
			return nil
		}
		q.mu.Unlock()
		select {
		case <-q.drained:
		case <-q.closed:
			return closed()
		}
	}
}

// take waits for an event; over closes when none will come any more, and why then says why.
func (q *eventQueue) take(ctx context.Context, over <-chan struct{}, why func() error) (Event, error) {
	for {
		if e, ok := q.pop(); ok {
			return e, nil
		}
		select {
		case <-q.filled:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		case <-over:
			if e, ok := q.pop(); ok {
				return e, nil
			}
			return Event{}, why()
		}
	}
}

func (q *eventQueue) pop() (Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == 0 {
		return Event{}, false
	}
	first := q.events[0]
	q.events[0] = queued{}
	q.events = q.events[1:]
	q.bytes -= first.size
	signal(q.drained)
	return first.Event, true
}

// answerWanted counts the answers that are waited for.
func (q *eventQueue) answerWanted(change int) {
	q.mu.Lock()
	q.wanting += change
	q.mu.Unlock()
	signal(q.drained)
}

// close ends a put that waits.
func (q *eventQueue) close() { q.once.Do(func() { close(q.closed) }) }

func signal(slot chan struct{}) {
	select {
	case slot <- struct{}{}:
	default:
	}
}
