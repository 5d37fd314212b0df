package client

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// A sessionFrame is any frame of the server. Fields that are not known are ignored: the wire grows.
type sessionFrame struct {
	ID         uint32 `json:"id"`
	Subscribed *struct {
		Channels []string        `json:"channels"`
		Position todoke.Position `json:"position"`
	} `json:"subscribed"`
	Unsubscribed *struct {
		Channels []string `json:"channels"`
	} `json:"unsubscribed"`
	Published *frame.Published `json:"published"`
	Pong      *struct{}        `json:"pong"`
	Error     *problem         `json:"error"`

	Message      *frame.Message  `json:"message"`
	Gap          *frame.Gap      `json:"gap"`
	Position     todoke.Position `json:"position"`
	Subscription uint32          `json:"subscription"`
	Reconnect    *reconnect      `json:"reconnect"`
}

// err is the error that the frame is, if it is one.
func (f sessionFrame) err() error {
	if f.Error == nil {
		return nil
	}
	return f.Error.err(f.Error.Status)
}

// read takes in what the server sends, until the connection or the session ends. It is the session's only goroutine.
func (s *Session) read() {
	defer close(s.done)
	var told *reconnect
	for {
		data, err := s.conn.read(context.Background())
		var f sessionFrame
		if err == nil {
			if err = json.Unmarshal(data, &f); err != nil {
				err = unexpected("frame", err)
			}
		} else if told != nil {
			err = restarting(told.delay(), err)
		}
		if f.Reconnect != nil {
			told = f.Reconnect // the close frame comes next
		}
		if err == nil {
			err = s.handle(f, len(data))
		}
		if err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.failed == nil {
		s.failed = err
	}
	s.mu.Unlock()
	s.conn.CloseNow()
}

// handle gives an answer to who waits for it, and puts an event into the queue; size is what the event counts for.
func (s *Session) handle(f sessionFrame, size int) error {
	if f.ID != 0 {
		s.answer(f)
		return nil
	}
	var e Event
	switch {
	case f.Message != nil:
		decoded, err := messageEvent(*f.Message)
		if err != nil {
			return err
		}
		e = decoded
	case f.Gap != nil:
		e = gapEvent(*f.Gap)
	case !f.Position.IsZero():
		e = Event{Position: f.Position, Subscription: f.Subscription}
	case f.Error != nil:
		return f.err() // of no request: what we sent was no frame
	default:
		return nil
	}
	s.mu.Lock()
	s.routes.place(&e)
	s.mu.Unlock()
	return s.queue.put(e, size)
}

func (s *Session) answer(f sessionFrame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.pending[f.ID]
	if r == nil {
		return
	}
	delete(s.pending, f.ID)
	// Here, and not where the answer is waited for: the next frame may be the subscription's first message.
	switch {
	case f.Subscribed != nil:
		s.routes.add(f.ID, r.channels, f.Subscribed.Position)
	case f.Unsubscribed != nil:
		s.routes.remove(f.Unsubscribed.Channels)
	}
	r.answer <- f // has room for one
}

// routes know which subscription a channel belongs to; at most one, for subscriptions of a session do not overlap.
type routes struct {
	channels  map[string]uint32
	patterns  map[string]uint32
	positions map[uint32]todoke.Position
}

func (r *routes) has(id uint32) bool { _, ok := r.positions[id]; return ok }

func (r *routes) add(id uint32, channels []string, start todoke.Position) {
	if r.positions == nil {
		r.channels, r.patterns, r.positions = map[string]uint32{}, map[string]uint32{}, map[uint32]todoke.Position{}
	}
	r.positions[id] = start
	for _, name := range channels {
		if todoke.IsPattern(name) {
			r.patterns[name] = id
		} else {
			r.channels[name] = id
		}
	}
}

func (r *routes) remove(channels []string) {
	for _, name := range channels {
		delete(r.channels, name)
		delete(r.patterns, name)
	}
	live := map[uint32]bool{}
	for _, id := range r.channels {
		live[id] = true
	}
	for _, id := range r.patterns {
		live[id] = true
	}
	for id := range r.positions {
		if !live[id] {
			delete(r.positions, id)
		}
	}
}

// place fills in the subscription and its position.
func (r *routes) place(e *Event) {
	switch {
	case e.Message != nil:
		e.Subscription = r.find(e.Message.Channel)
	case e.Gap != nil:
		e.Subscription = r.find(e.Gap.Channel)
	}
	known, ok := r.positions[e.Subscription]
	if !ok {
		return
	}
	if order, same := e.Position.Compare(known); e.Position.IsZero() || same && order < 0 {
		e.Position = known
	}
	r.positions[e.Subscription] = e.Position
}

// find returns the subscription that has the channel, or has it as the pattern that it is; 0 if none has.
func (r *routes) find(channel string) uint32 {
	if id, ok := r.channels[channel]; ok {
		return id
	}
	if id, ok := r.patterns[channel]; ok {
		return id
	}
	for pattern, id := range r.patterns {
		if todoke.MatchPattern(pattern, channel) {
			return id
		}
	}
	return 0
}

func appendUint(dst []byte, n uint32) []byte { return strconv.AppendUint(dst, uint64(n), 10) }
