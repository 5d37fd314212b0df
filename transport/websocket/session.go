package websocket

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
)

// A session is one link with many subscriptions. Its goroutines: serveSession, which tends and ends the link; read, which carries
// out requests and writes their answers; and one for each subscription.
type session struct {
	desk    // used by read
	link    *link
	ctx     context.Context // ends with the session; its cause says why
	cancel  context.CancelCauseFunc
	running sync.WaitGroup // read and the subscriptions

	// busy is held while a request is carried out and answered, so that a restart does not cut off a publish.
	busy sync.Mutex

	mu      sync.Mutex
	live    int           // subscriptions that have not ended
	restart error         // the hub drains
	drained chan struct{} // closed when it drains and the last subscription has ended
}

// serveSession serves a session until it ends. quiet is a subscription that tells what becomes of the hub.
func (h *Handler) serveSession(parent context.Context, l *link, quiet *todoke.Subscription) {
	s := &session{link: l, drained: make(chan struct{})}
	s.desk = desk{h: h, carrier: s}
	s.ctx, s.cancel = context.WithCancelCause(parent)
	s.running.Go(func() { s.cancel(s.read()) })
	err := s.tend(quiet)
	s.cancel(err)
	h.end(parent, l, err)
	s.running.Wait()
}

// tend watches over the session and returns why it ends; the link is then still open where something is left to be said.
func (s *session) tend(quiet *todoke.Subscription) error {
	tick := time.NewTicker(s.h.o.KeepAlive)
	defer tick.Stop()
	wake := quiet.Wake()
	for {
		if wake != nil {
			if _, err := quiet.Read(s.ctx); todoke.AsError(err) != nil {
				if todoke.AsError(err).Code != todoke.CodeRestarting {
					return either(s.ctx, err)
				}
				s.drain(err)
				wake = nil
			}
		}
		select {
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-wake:
		case <-tick.C:
			if err := s.link.keepAlive(); err != nil {
				return err
			}
		case <-s.drained:
			s.busy.Lock() // the request under way is carried out and answered; there is no next one
			if s.goesOn() {
				s.busy.Unlock()
				continue
			}
			defer s.busy.Unlock()
			s.cancel(s.restart)
			return s.restart
		}
	}
}

// drain notes that the hub drains: the session ends when its subscriptions have, each caught up.
func (s *session) drain(restart error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart = restart
	if s.live == 0 {
		close(s.drained)
	}
}

// goesOn reports whether a subscription was let in just before the session drained; it is then waited for too. Its answer is
// written before it counts as live. busy is held.
func (s *session) goesOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == 0 {
		return false
	}
	s.drained = make(chan struct{})
	return true
}

func (s *session) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live++
}

func (s *session) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	if s.live == 0 && s.restart != nil {
		select {
		case <-s.drained: // it had been, and one more subscription came that was let in just before
		default:
			close(s.drained)
		}
	}
}

// read takes requests, one after the other, until the link or the session ends. Its error is never nil.
func (s *session) read() error {
	for {
		kind, data, err := s.link.ws.Read(context.Background())
		if err != nil {
			e := readEnding(err)
			if e.code == 0 {
				s.link.cut() // writes under way need not wait for their time-outs
			}
			return e
		}
		if kind == coder.MessageText && !utf8.Valid(data) {
			// RFC 6455 §8.1. The library leaves this to us.
			return &ending{code: coder.StatusInvalidFramePayloadData, reason: "the text is not UTF-8"}
		}
		if err := s.serve(data); err != nil {
			return err
		}
	}
}

// serve carries out one request. An error ends the session.
func (s *session) serve(data []byte) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return s.desk.serve(s.ctx, data)
}

// write implements carrier.
func (s *session) write(text []byte) error { return s.link.write(text) }
