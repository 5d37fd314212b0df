package client

import (
	"context"
	"encoding/json"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// An Event is what a Stream or a Session brings: a message, a gap, or, when both are nil, only the news that
// everything up to Position is known.
type Event struct {
	Message *todoke.Message
	Gap     *todoke.Gap
	// Position is where the reader is when it has the event: another subscription After it misses nothing. A gap does
	// not move it. On a session it is the subscription's.
	Position todoke.Position
	// Subscription is the session's subscription that the event belongs to; 0 elsewhere, and where it is not known.
	Subscription uint32
}

// A link is one connection, or one row of polls, that brings the events of one subscription.
type link interface {
	// next waits for the next event. When ctx ends it returns, and the link is of no use any more.
	// After an error the caller closes the link.
	next(ctx context.Context) (Event, error)
	// close ends the link at once; it may be called while next runs, and again.
	close()
}

// decodeMessage reads a message object.
func decodeMessage(data []byte) (Event, error) {
	var m frame.Message
	if err := json.Unmarshal(data, &m); err != nil {
		return Event{}, unexpected("message", err)
	}
	return messageEvent(m)
}

func messageEvent(m frame.Message) (Event, error) {
	decoded, err := m.Decode()
	if err != nil {
		return Event{}, unexpected("message", err)
	}
	if decoded.Position.IsZero() {
		return Event{}, unexpected("message (it has no id)", nil)
	}
	return Event{Message: decoded, Position: decoded.Position}, nil
}

func gapEvent(g frame.Gap) Event {
	gap := g.Decode()
	return Event{Gap: &gap}
}
