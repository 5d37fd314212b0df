package websocket

import (
	"errors"
	"time"

	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/websocket/framing"
)

// A socket is what a stream and a session on an evented link have in common: what RFC 6455 asks of every peer. There are many, most of them
// idle.
type socket struct {
	evented.Link
	reader framing.Reader
	beat   uint32 // when the last keep-alive was: the link's clock
	silent uint8  // keep-alives in a row that found that nothing was heard
	heard  bool   // something was, since the last one
	pinged bool   // a ping was sent that was not answered
	owed   *pong  // waits for room; nil: none
}

// A pong is a pong's frame at its longest; the second byte is the payload's length (RFC 6455 §5.2).
type pong [127]byte

var errSilent = errors.New("nothing was heard from the peer")

// open begins the keep-alives.
func (s *socket) open(every time.Duration) {
	s.beat, s.heard = s.Now(), true // the handshake was
	s.SetTick(every)
}

// due tells whether it is time for a keep-alive, or else how long it is until then.
func (s *socket) due(every time.Duration) (wait time.Duration, due bool) {
	passed := time.Duration(s.Now()-s.beat) * time.Millisecond
	if passed < every {
		return every - passed, false
	}
	s.beat = s.Now()
	return every, true
}

// keepAlive appends a ping, unless the last one is still on its way. When nothing was heard from the peer for too long it cuts the link
// and returns false.
func (s *socket) keepAlive(dst []byte) ([]byte, bool) {
	if s.heard {
		s.silent = 0
	} else if s.silent++; s.silent >= silentTicks {
		s.Cut(errSilent)
		return nil, false
	}
	s.heard = false
	if !s.pinged {
		dst = framing.AppendPing(dst, nil)
		s.pinged = true
	}
	return dst, true
}

// answer sends pongs. While the link waits for room it keeps the last one of them for settle: a peer that pings and does not read costs
// no more than that, and to answer only the newest ping is allowed (RFC 6455 §5.5.3).
func (s *socket) answer(pongs []byte) {
	if len(pongs) == 0 || s.Over() {
		return
	}
	if !s.Blocked() {
		s.Send(pongs)
		return
	}
	if s.owed == nil {
		s.owed = new(pong)
	}
	for len(pongs) > 0 {
		size := 2 + int(pongs[1])
		copy(s.owed[:], pongs[:size])
		pongs = pongs[size:]
	}
}

// settle sends the pong that waited for room.
func (s *socket) settle() {
	if s.owed == nil {
		return
	}
	owed := s.owed[:2+int(s.owed[1])]
	s.owed = nil
	s.Send(owed)
}

// A hearing is what came of a peer's bytes, up to its next message.
type hearing struct {
	message framing.Event // Op 0: there is none, and everything was taken in
	rest    []byte
	reply   []byte // pongs, and the close that ends the link
	ponged  bool
	over    bool // the peer closed, or is at fault
}

// hear reads on. reply is what there is to be sent already.
func hear(r *framing.Reader, data []byte, rules framing.Rules, reply []byte) hearing {
	h := hearing{rest: data, reply: reply}
	for {
		event, rest, err := r.Next(h.rest, rules)
		h.rest = rest
		if fault, failed := errors.AsType[*framing.Error](err); failed {
			h.reply, h.over = framing.AppendClose(h.reply, fault.Code, fault.Reason), true
			return h
		}
		switch event.Op {
		case framing.Ping:
			h.reply = framing.AppendPong(h.reply, event.Payload)
		case framing.Pong:
			h.ponged = true
		case framing.Close: // RFC 6455 §5.5.1: it is answered with its own code
			h.reply, h.over = framing.AppendClose(h.reply, event.Code, ""), true
			return h
		default:
			h.message = event
			return h
		}
	}
}
