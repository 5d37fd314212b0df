package websocket

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/websocket/framing"
)

// A pooledSession is a session on an evented link. The link's worker follows its subscriptions; requests, which may wait for an
// authorizer or an engine, are carried out by a burst. Everything but the burst's is used at the worker's turn.
type pooledSession struct {
	socket
	desk    desk            // the burst's, like the reader, while there is one
	ctx     context.Context // the handshake's values, for authorizers
	burst   *burst          // under way; nil: none
	rest    []byte          // came behind the requests that were carried out, and waits for room for answers
	quiet   following       // tells what becomes of the hub
	subs    []*following
	hand    int   // the place in subs of the one that was last resumed
	live    int   // of subs that have not ended
	restart error // the hub drains
}

var _ evented.Transport = (*pooledSession)(nil)

// A following is one of the session's subscriptions. It is a todoke.Reader.
type following struct {
	s     *pooledSession
	id    uint32
	chase evented.Chase
	ended bool
	sub   *todoke.Subscription
	told  todoke.Position
}

// Ready implements todoke.Reader.
func (f *following) Ready() {
	if !f.ended {
		f.s.Pump(f.sub, sessionText{}, &f.chase)
	}
}

func newPooledSession(h *Handler, r *http.Request, quiet *todoke.Subscription) *pooledSession {
	s := &pooledSession{ctx: context.WithoutCancel(r.Context()), desk: desk{h: h}}
	s.quiet = following{s: s, sub: quiet}
	s.Begin(s)
	return s
}

// start is the first turn.
func (s *pooledSession) start(early []byte) {
	s.open(s.desk.h.o.KeepAlive)
	s.Follow(s.quiet.sub, &s.quiet)
	s.quiet.Ready()
	if len(early) > 0 {
		s.Input(early)
	}
}

// Input implements evented.Transport.
func (s *pooledSession) Input(data []byte) {
	if s.Over() {
		return
	}
	s.heard = true
	s.take(data, false)
}

// take hears what came; with the first request a burst begins, and has the rest. ours says that data is not the worker's.
func (s *pooledSession) take(data []byte, ours bool) {
	h := hear(&s.reader, data, s.desk.rules(), nil)
	s.pinged = s.pinged && !h.ponged
	if h.over {
		s.finish(h.reply)
		return
	}
	s.answer(h.reply)
	if h.message.Op == 0 || s.Over() {
		return
	}
	request, rest := h.message.Payload, h.rest
	if !ours {
		rest = bytes.Clone(rest)
		if len(request) <= len(data) { // else it came in pieces, and is nobody else's
			request = bytes.Clone(request)
		}
	}
	s.begin(request, rest)
}

func (d *desk) rules() framing.Rules { return framing.Rules{ReadLimit: int(d.h.o.ReadLimit)} }

// next goes on with requests. While the peer does not take answers there are none, and it is not read from.
func (s *pooledSession) next() {
	if s.burst != nil || s.Blocked() {
		return
	}
	rest := s.rest
	s.rest = nil
	if len(rest) > 0 {
		s.take(rest, true)
	}
	if s.burst == nil && !s.Blocked() {
		s.Listen()
	}
}

// Resume implements evented.Transport. The subscriptions take turns: one that is always behind keeps none of the others away.
func (s *pooledSession) Resume() {
	s.settle()
	s.next()
	for range len(s.subs) {
		if s.Blocked() {
			return
		}
		s.hand = (s.hand + 1) % len(s.subs)
		s.subs[s.hand].Ready()
	}
	s.quiet.Ready()
}

// Tick implements evented.Transport: it looks after the peer, and tells where the subscriptions are that moved.
func (s *pooledSession) Tick() time.Duration {
	every := s.desk.h.o.KeepAlive
	wait, due := s.due(every)
	if !due {
		return wait
	}
	if s.burst != nil {
		s.heard = true // nobody listens meanwhile
	}
	text, alive := s.keepAlive(nil)
	if !alive {
		return 0
	}
	for _, f := range s.subs {
		if f.ended || f.chase.Running() {
			continue
		}
		if at := f.sub.Position(); at != f.told { // all that was read was sent
			f.told = at
			text = appendPosition(text, at, f.id)
		}
	}
	if len(text) > 0 {
		s.Send(text)
	}
	return every
}

// Ended implements evented.Transport. While the hub drains, the session ends when all its subscriptions have, each caught up.
func (s *pooledSession) Ended(sub *todoke.Subscription, err error) {
	f := s.find(sub)
	switch {
	case f == nil || f.ended:
		return
	case !errors.Is(err, todoke.CodeRestarting):
		s.finish(s.desk.h.farewell(err))
		return
	case f == &s.quiet:
		s.restart = err
	default:
		s.live--
	}
	f.ended = true
	s.endIfDrained()
}

func (s *pooledSession) find(sub *todoke.Subscription) *following {
	if sub == s.quiet.sub {
		return &s.quiet
	}
	if i := slices.IndexFunc(s.subs, func(f *following) bool { return f.sub == sub }); i >= 0 {
		return s.subs[i]
	}
	return nil
}

// endIfDrained waits for the request under way: it is carried out and answered, and there is no next one, unless it made a subscription,
// which is waited for too.
func (s *pooledSession) endIfDrained() {
	switch {
	case s.restart == nil || s.live > 0 || s.Over():
	case s.burst != nil:
		s.burst.stop.Store(true)
	default:
		s.finish(s.desk.h.farewell(s.restart))
	}
}

// join adds a subscription whose answer was sent.
func (s *pooledSession) join(f *following) {
	s.subs = append(s.subs, f)
	s.live++
	s.Follow(f.sub, f)
	f.Ready()
}

// part takes channels out. No goroutine has the subscription, or it loses all of them.
func (s *pooledSession) part(l leaving) {
	f := l.from.pumping
	if !l.all {
		f.sub.Remove(l.channels...)
		return
	}
	s.subs = slices.DeleteFunc(s.subs, func(other *following) bool { return other == f })
	if !f.ended {
		s.live--
	}
	f.ended = true
	f.chase.Close(f.sub)
}

// finish says goodbye.
func (s *pooledSession) finish(last []byte) {
	s.Finish(last)
	if s.burst != nil {
		s.burst.cancel()
	}
}

// Closed implements evented.Transport.
func (s *pooledSession) Closed(error) {
	for _, f := range s.subs {
		f.chase.Close(f.sub)
	}
	s.quiet.chase.Close(s.quiet.sub)
	s.rest = nil
	if s.burst != nil {
		s.burst.drop()
	}
}
