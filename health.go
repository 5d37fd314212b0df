package todoke

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeEvery is how often a hub asks whether the log is there, probeSoon how soon when something failed, and probePatience how
	// long it waits for the answer.
	probeEvery    = 2 * time.Second
	probeSoon     = 250 * time.Millisecond
	probePatience = 3 * time.Second
	// lostRetry is when a publisher may try again that is refused while the log cannot be reached.
	lostRetry = time.Second
)

// A health is what a hub knows of its log: whether it answers, and whether the tail follows it.
type health struct {
	// store is why publishes are refused: the log did not answer when it was asked last.
	store atomic.Pointer[Error]

	mu    sync.Mutex
	tail  error     // why the tail does not follow; nil: it does
	since time.Time // of the trouble; zero: there is none

	alarm    chan struct{} // capacity 1: something failed, look soon
	repaired chan struct{} // capacity 1: the log answers again, so the tail need not wait
}

func newHealth() health {
	return health{alarm: make(chan struct{}, 1), repaired: make(chan struct{}, 1)}
}

// Health says whether the hub follows its log: nil, or an *Error with CodeUnavailable whose Hint says since when it does not. Meanwhile
// publishes are refused, nothing new is read, and subscriptions wait: after the repair they go on where they were. With
// an engine in this process's memory it is always nil. It asks nobody: the hub looks every two seconds, and
// soon after something failed.
func (h *Hub) Health() error {
	s := &h.health
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return nil
	}
	what, cause := "the log cannot be reached", error(s.store.Load())
	if s.store.Load() == nil {
		what, cause = "this node does not follow the log", s.tail
	}
	return &Error{
		Code: CodeUnavailable, RetryAfter: lostRetry, Err: cause,
		Hint: fmt.Sprintf("%s since %s; trying again", what, s.since.UTC().Format(time.TimeOnly+" UTC")),
	}
}

// reachable returns nil, or the error that a publish gets without asking an engine that does not answer: nothing was appended, and nobody waits.
func (h *Hub) reachable() error {
	if e := h.health.store.Load(); e != nil {
		return e
	}
	return nil
}

// tailEnded notes why the tail does not follow, and tailFollows that it does.
func (s *health) tailEnded(err error) {
	s.note(func() { s.tail = err })
	s.sound()
}

func (s *health) tailFollows() { s.note(func() { s.tail = nil }) }

func (s *health) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	switch well := s.tail == nil && s.store.Load() == nil; {
	case well:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = time.Now()
	}
}

func (s *health) following() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tail == nil
}

// sound has the watch look soon.
func (s *health) sound() {
	select {
	case s.alarm <- struct{}{}:
	default:
	}
}

// A standing is how the tail stood at a probe.
type standing struct {
	behind bool     // of what the log then had
	at     Position // where it was
}

// watch asks the log now and then whether it is there, until ctx ends. A tail that stands still while the log goes on
// does not follow it.
func (h *Hub) watch(ctx context.Context) {
	timer := time.NewTimer(probeEvery)
	defer timer.Stop()
	var before standing
	for soon := false; ; {
		select {
		case <-timer.C:
			soon = false
		case <-h.health.alarm:
			if !soon { // or frequent alarms would put it off
				soon = true
				timer.Reset(probeSoon)
			}
			continue
		case <-ctx.Done():
			return
		}
		now, err := h.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		h.judge(err, before.behind && now.behind && before.at == now.at)
		before = now
		soon = err != nil
		if soon {
			timer.Reset(probeSoon)
		} else {
			timer.Reset(probeEvery)
		}
	}
}

// probe asks the log for its head.
func (h *Hub) probe(ctx context.Context) (standing, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probePatience, fmt.Errorf("no answer for %v", probePatience))
	defer cancel()
	head, err := h.engine.Head(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return standing{}, err
	}
	at := h.Head()
	return standing{behind: at.Epoch != head.Epoch || at.Offset < head.Offset, at: at}, nil
}

// errStill is why a tail does not follow that has not ended.
var errStill = errors.New("the tail stands still while the log goes on")

// judge takes in what a probe found.
func (h *Hub) judge(err error, still bool) {
	s := &h.health
	was := s.store.Load()
	s.note(func() {
		s.store.Store(nil)
		if err != nil {
			s.store.Store(&Error{Code: CodeUnavailable, Hint: "the log cannot be reached at the moment; nothing was appended", RetryAfter: lostRetry, Err: err})
			return
		}
		switch {
		case still && s.tail == nil:
			s.tail = errStill
		case !still && errors.Is(s.tail, errStill):
			s.tail = nil
		}
	})
	switch {
	case err != nil && was == nil:
		h.log.Error("the log cannot be reached; publishes are refused, readers wait", "error", err)
	case err == nil:
		if was != nil {
			h.log.Info("the log can be reached again")
		}
		select {
		case s.repaired <- struct{}{}:
		default:
		}
		h.unpark()
	}
}
