package client

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/todoke-dev/todoke"
)

// healthyAfter is how long a link that brought no message has to live for the next attempt to count as the first again.
const healthyAfter = 10 * time.Second

// A Stream is a subscription that outlives its connections. Next and Events are for one goroutine; Position and Close
// may be called from others.
type Stream struct {
	client *Client
	o      SubscribeOptions
	life   context.Context // ends with Close
	end    context.CancelFunc

	// Owned by the goroutine that calls Next.
	transport Transport // never TransportAuto
	linked    time.Time // when the link began
	opened    bool      // the link has brought something
	resumed   bool      // the link began at a position of ours
	failures  int       // attempts in a row that came to nothing
	notBefore time.Time // of the next attempt
	page      pageSize
	told      []todoke.Gap
	ahead     *Event // read by Subscribe, given by the first Next
	failed    error  // for good

	mu       sync.Mutex
	position todoke.Position
	link     link // written by the goroutine that calls Next, which so reads it without the lock
}

// Next returns the next event; it connects, and connects again, as that needs. The error is ctx's, one with
// todoke.CodeClosed after Close, or the server's when another attempt would not help: then every further Next returns it too.
//
// When ctx ends while Next waits, the connection is cut; the Next after that goes on where the stream was.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	if e, ok := s.takeAhead(); ok {
		return e, nil
	}
	for {
		if err := s.over(ctx); err != nil {
			return Event{}, err
		}
		e, err := s.attempt(ctx)
		if err != nil {
			s.lost(ctx, err)
			continue
		}
		if s.take(&e) {
			return e, nil
		}
	}
}

// Events returns what Next returns, until ctx ends or the stream fails: the error comes last, with an empty Event.
func (s *Stream) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.Next(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Position returns where the caller is with the events it was given: a stream that starts todoke.After it, on any transport,
// brings what follows. It is zero while there is none yet: Since was no position, and no event was given.
func (s *Stream) Position() todoke.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position
}

// Close ends the stream and a Next that waits. It may be called again; it always returns nil.
func (s *Stream) Close() error {
	s.end()
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

// over returns why the stream gives nothing more, or nil.
func (s *Stream) over(ctx context.Context) error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.life.Err() != nil:
		s.cut()
		return closed()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// attempt brings one event from the link, which it makes if there is none.
func (s *Stream) attempt(ctx context.Context) (Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)() // Close ends the wait
	if s.link == nil {
		if err := sleep(ctx, time.Until(s.notBefore)); err != nil {
			return Event{}, err
		}
		l, err := s.dial(ctx)
		if err != nil {
			return Event{}, err
		}
		s.setLink(l)
		s.linked, s.opened, s.resumed = time.Now(), false, !s.Position().IsZero()
	}
	return s.link.next(ctx)
}

// lost decides what an error means: another attempt, another transport, or the end.
func (s *Stream) lost(ctx context.Context, err error) {
	if s.opened && time.Since(s.linked) > healthyAfter {
		s.failures = 0
	}
	opened := s.opened
	s.cut()
	switch {
	case ctx.Err() != nil || s.life.Err() != nil:
		return // ours: Next says so
	case s.o.Transport == TransportAuto && s.transport == TransportSSE && !opened && unfitForSSE(err):
		s.client.log.Info("no events came through; going on with long polling", "error", err)
		s.transport, s.notBefore = TransportLongPoll, time.Time{}
		return
	case !temporary(err):
		s.failed = err
		return
	}
	s.failures++
	delay := s.client.backoff.delay(s.failures, serverDelay(err))
	s.notBefore = time.Now().Add(delay)
	s.client.log.Info("cut; connecting again", "after", delay.Round(time.Millisecond), "position", s.Position().String(), "error", err)
}

// unfitForSSE reports whether err tells of a way that holds events back, or of an answer that is no event stream.
func unfitForSSE(err error) bool {
	return errors.Is(err, errIdle) || errors.Is(err, errNoEventStream) || errors.Is(err, todoke.CodeNotAcceptable)
}

// cut drops the link.
func (s *Stream) cut() {
	if s.link != nil {
		s.link.close()
		s.setLink(nil)
	}
	s.opened = false
}

func (s *Stream) setLink(l link) {
	s.mu.Lock()
	s.link = l
	s.mu.Unlock()
}

// since is where the next link starts.
func (s *Stream) since() todoke.Since {
	if p := s.Position(); !p.IsZero() {
		return todoke.After(p)
	}
	return s.o.Since
}

// open brings the first event. What it says of the position counts at once, so that a cut loses nothing from here on;
// a message or a gap waits for the first Next.
func (s *Stream) open(ctx context.Context) error {
	for {
		if err := s.over(ctx); err != nil {
			return err
		}
		e, err := s.attempt(ctx)
		if err != nil {
			s.lost(ctx, err)
			continue
		}
		if e.Message != nil || e.Gap != nil || s.take(&e) {
			s.ahead = &e
		}
		return nil
	}
}

func (s *Stream) takeAhead() (Event, bool) {
	if s.ahead == nil || s.life.Err() != nil {
		return Event{}, false
	}
	e := *s.ahead
	s.ahead = nil
	if e.Message != nil || e.Gap != nil {
		return e, s.take(&e)
	}
	return e, true
}

// take moves the position with e, and reports whether e is news.
func (s *Stream) take(e *Event) bool {
	opening := !s.opened
	s.opened = true
	if e.Gap != nil {
		s.failures = 0
		e.Position = s.Position()
		return s.newGap(*e.Gap)
	}
	if e.Message == nil && opening && s.resumed {
		// It is where we said to begin. When it is not (the log is another one), the notice of what was lost comes next: taking
		// the new position before it would lose that notice in a cut.
		return false
	}
	moved := s.moveTo(e.Position)
	e.Position = s.Position()
	if moved {
		s.told = nil
	}
	if e.Message != nil {
		s.failures = 0
		return true
	}
	return moved
}

// moveTo moves the position to p, unless p is behind it in the same epoch, and reports whether it moved. Where positions have no
// order, what came last counts.
func (s *Stream) moveTo(p todoke.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.IsZero() || p == s.position {
		return false
	}
	if order, same := p.Compare(s.position); same && order <= 0 {
		return false
	}
	s.position = p
	return true
}

// newGap reports whether the caller was not yet told of g. A gap does not move the position, so a link that is cut after it, and
// before what follows, is followed by one that tells it again.
func (s *Stream) newGap(g todoke.Gap) bool {
	if slices.Contains(s.told, g) {
		return false
	}
	if len(s.told) < todoke.MaxChannels {
		s.told = append(s.told, g)
	}
	return true
}

func closed() error {
	return &todoke.Error{Code: todoke.CodeClosed, Hint: "it was closed by this program"}
}
