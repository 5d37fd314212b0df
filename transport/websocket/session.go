package websocket

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
)

// Limits of a session. A subscription has at most todoke.MaxChannels of the channels and patterns.
const (
	MaxSubscriptions   = 100
	MaxSessionChannels = 1000
	// maxFaults is how many frames that cannot be understood end a session.
	maxFaults = 10
)

// A session is one link with many subscriptions. Its goroutines: serveSession, which tends and ends the link; read, which carries
// out requests and writes their answers; and one for each subscription.
type session struct {
	h       *Handler
	gate    todoke.Gate
	link    *link
	ctx     context.Context // ends with the session; its cause says why
	cancel  context.CancelCauseFunc
	running sync.WaitGroup // read and the subscriptions

	// busy is held while a request is carried out and answered, so that a restart does not cut off a publish.
	busy sync.Mutex

	// Owned by read.
	subscriptions map[uint32]*subscription
	owners        map[string]*subscription // by channel or pattern
	faults        int

	mu      sync.Mutex
	live    int           // subscriptions that have not ended
	restart error         // the hub drains
	drained chan struct{} // closed when it drains and the last subscription has ended
}

// serveSession serves a session until it ends. quiet is a subscription that tells what becomes of the hub.
func (h *Handler) serveSession(parent context.Context, l *link, quiet *todoke.Subscription) {
	s := &session{
		h: h, gate: h.hub.Gate(), link: l,
		subscriptions: make(map[uint32]*subscription), owners: make(map[string]*subscription),
		drained: make(chan struct{}),
	}
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

func (s *session) leave() {
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

// serve carries out one request and answers it. An error ends the session.
func (s *session) serve(data []byte) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	q, err := decodeFrame(data)
	if err == nil {
		err = s.carryOut(q)
	}
	if err == nil {
		return nil
	}
	if e, ended := err.(*ending); ended {
		return e
	}
	return s.refuse(q.id, err)
}

// refuse answers a request with an error, and ends the session when it was the last of too many that could not be understood: who
// sends those does not speak this protocol.
func (s *session) refuse(id uint32, err error) error {
	e := todoke.AsError(err)
	if e.Code == todoke.CodeInternal {
		s.h.o.Logger.ErrorContext(s.ctx, "a request of a session failed", "error", err)
	}
	if err := s.link.write(appendError(nil, id, e)); err != nil {
		return err
	}
	if e.Code == todoke.CodeInvalidFrame {
		if s.faults++; s.faults >= maxFaults {
			return &ending{code: coder.StatusInvalidFramePayloadData, reason: "too many frames that cannot be understood"}
		}
	}
	return nil
}
