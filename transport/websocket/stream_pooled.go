package websocket

import (
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/websocket/framing"
)

// A pooledStream is a receive-only stream on an evented link.
type pooledStream struct {
	socket
	chase evented.Chase
	h     *Handler
	sub   *todoke.Subscription
	told  todoke.Position
}

var (
	_ evented.Transport = (*pooledStream)(nil)
	_ todoke.Reader     = (*pooledStream)(nil)
)

func newPooledStream(h *Handler, sub *todoke.Subscription) *pooledStream {
	s := &pooledStream{h: h, sub: sub}
	s.Begin(s)
	return s
}

// start is the first turn.
func (s *pooledStream) start(early []byte) {
	s.open(s.h.o.KeepAlive)
	s.told = s.sub.Position()
	s.Send(appendPosition(nil, s.told, 0))
	s.Follow(s.sub, s)
	s.Ready()
	if len(early) > 0 {
		s.Input(early)
	}
}

// Ready implements todoke.Reader.
func (s *pooledStream) Ready() { s.Pump(s.sub, streamText{}, &s.chase) }

// Resume implements evented.Transport.
func (s *pooledStream) Resume() {
	s.settle()
	s.Ready()
}

// Input implements evented.Transport: the peer may close, and ask whether we live.
func (s *pooledStream) Input(data []byte) {
	if s.Over() {
		return
	}
	s.heard = true
	h := hear(&s.reader, data, framing.Rules{ReceiveOnly: true}, nil)
	s.pinged = s.pinged && !h.ponged
	if h.over {
		s.Finish(h.reply)
		return
	}
	s.answer(h.reply)
}

// Tick implements evented.Transport: it looks after the peer, and tells where the stream is if it moved.
func (s *pooledStream) Tick() time.Duration {
	every := s.h.o.KeepAlive
	wait, due := s.due(every)
	if !due {
		return wait
	}
	text, alive := s.keepAlive(nil)
	if !alive {
		return 0
	}
	if !s.chase.Running() { // all that was read was sent
		if at := s.sub.Position(); at != s.told {
			s.told = at
			text = appendPosition(text, at, 0)
		}
	}
	if len(text) > 0 {
		s.Send(text)
	}
	return every
}

// Ended implements evented.Transport.
func (s *pooledStream) Ended(_ *todoke.Subscription, err error) { s.Finish(s.h.farewell(err)) }

// Closed implements evented.Transport.
func (s *pooledStream) Closed(error) { s.chase.Close(s.sub) }
