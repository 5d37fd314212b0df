package todoke

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// MaxBatch is the most messages of one PublishBatch.
const MaxBatch = 1000

// Published is the answer to a publish: where the message stands in the log. For a Duplicate it is where the
// first message with the idempotency key stands.
type Published struct {
	Position  Position
	Channel   string
	Time      time.Time
	Duplicate bool
}

// single holds what a publish of one message hands to the engine, so that the message is all it allocates.
type single struct {
	batch   [1]*Message
	results [1]Result
}

var singles = sync.Pool{New: func() any { return new(single) }}

// Publish appends m to the log and returns its position; the message is then in the log, as safely as the
// engine keeps it. The hub keeps m.Data and m.Headers: do not change them afterwards. A message that is refused gets an
// *Error whose Field names what is wrong, and nothing is appended.
func (h *Hub) Publish(ctx context.Context, m Message) (Published, error) {
	if err := h.check(&m); err != nil {
		return Published{}, err
	}
	if err := h.reachable(); err != nil {
		return Published{}, err
	}
	kept := new(Message)
	*kept = m
	s := singles.Get().(*single)
	s.batch[0] = kept
	err := h.engine.Publish(ctx, s.batch[:], s.results[:])
	result := s.results[0]
	*s = single{}
	singles.Put(s)
	if err != nil {
		return Published{}, err
	}
	if h.immediate {
		h.deliver()
	}
	return published(m.Channel, result), nil
}

// PublishBatch appends all messages (at most MaxBatch), in order, or none. The answers are in the same order.
func (h *Hub) PublishBatch(ctx context.Context, batch []Message) ([]Published, error) {
	if len(batch) > MaxBatch {
		return nil, errf(CodeTooLarge, "messages", "%d messages; at most %d go into one batch", len(batch), MaxBatch)
	}
	kept := make([]Message, len(batch))
	pointers := make([]*Message, len(batch))
	for i := range batch {
		kept[i] = batch[i]
		if err := h.check(&kept[i]); err != nil {
			return nil, inBatch(i, err)
		}
		pointers[i] = &kept[i]
	}
	if err := h.reachable(); err != nil {
		return nil, err
	}
	results := make([]Result, len(batch))
	if err := h.engine.Publish(ctx, pointers, results); err != nil {
		return nil, err
	}
	if h.immediate {
		h.deliver()
	}
	answers := make([]Published, len(batch))
	for i := range answers {
		answers[i] = published(batch[i].Channel, results[i])
	}
	return answers, nil
}

func published(channel string, r Result) Published {
	return Published{Position: r.Position, Channel: channel, Time: r.Time, Duplicate: r.Duplicate}
}

// check validates m and fills in what was left out.
func (h *Hub) check(m *Message) error {
	if h.closed.Load() {
		return errHubClosed()
	}
	if limit := h.namespaceOf(m.Channel).maxBytes; len(m.Data) > limit {
		return errf(CodeTooLarge, "data", "it has %d bytes; at most %d are allowed on this channel", len(m.Data), limit)
	}
	return m.validate()
}

// inBatch says which message of a batch err is about.
func inBatch(i int, err error) error {
	e := *AsError(err)
	e.Field = "messages[" + strconv.Itoa(i) + "]." + e.Field
	return &e
}
