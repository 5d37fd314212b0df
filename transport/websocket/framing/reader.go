package framing

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// DefaultReadLimit is the limit where Rules.ReadLimit is 0.
const DefaultReadLimit = 2 << 20

// Rules are what a connection allows its peer beyond RFC 6455. The zero value is a connection on which both talk.
type Rules struct {
	// ReadLimit is the most bytes of one message, its fragments together. 0: 2 MiB.
	ReadLimit int
	// ReceiveOnly refuses data frames as soon as their header is there, with 1008.
	ReceiveOnly bool
}

// An Event is something whole that came from the peer: a message, or a control frame. Op is 0 when there is none.
type Event struct {
	Op Op
	// Code is a close's, 0 when it has none.
	Code uint16
	// Payload is the message, what a ping or pong carries, or the reason of a close. It is a slice of the bytes that Next was given, or
	// bytes that nobody else holds: so it may be kept if those may.
	Payload []byte
}

// A Reader makes events of a client's bytes. The zero value is ready. It is not for concurrent use.
type Reader struct {
	cut    *cut   // what is cut; nil between messages
	fault  *Error // what ended it
	closed bool   // a close was returned
}

// A cut is what a Reader has to remember of a message or a frame that is not whole yet.
type cut struct {
	head    [mostHeader]byte // of a frame's header,
	headLen uint8            // so many bytes

	// The frame whose payload is being read; left is what has not come of it.
	inFrame bool
	frame   header
	left    int
	control []byte // its payload, of a control frame

	// The message of which fragments have come.
	op      Op // 0: none
	message []byte
	checked int // so much of a text is whole characters of UTF-8
}

// cuts keeps the structs, not the payloads: an event may keep these.
var cuts = sync.Pool{New: func() any { return new(cut) }}

// Next returns the first event that is complete with p, the bytes that came after those it was given before, and the rest of p, to
// be given to it next. An event with Op 0 says that there is none yet and all of p is taken in. Payloads are unmasked in p;
// Next keeps no reference to it.
//
// After a close everything is ignored (RFC 6455 §1.4). An error is an [*Error], and comes again on every further call.
func (r *Reader) Next(p []byte, rules Rules) (event Event, rest []byte, err error) {
	if r.fault == nil {
		event, rest, r.fault = r.next(p, rules)
	}
	if r.fault != nil {
		r.drop()
		return Event{}, nil, r.fault
	}
	if event.Op == Close {
		r.drop()
		r.closed = true
	} else if r.cut != nil && r.cut.idle() {
		r.drop()
	}
	return event, rest, nil
}

// cutBytes is what a cut frame costs beside what has come of it.
const cutBytes = int(unsafe.Sizeof(cut{}))

// Held returns how many bytes the Reader holds beside its own, for a frame or message that is not whole. It is 0 between messages.
func (r *Reader) Held() int {
	if r.cut == nil {
		return 0
	}
	return cutBytes + cap(r.cut.message) + cap(r.cut.control)
}

func (r *Reader) next(p []byte, rules Rules) (Event, []byte, *Error) {
	for len(p) > 0 && !r.closed {
		if r.cut == nil || !r.cut.inFrame {
			h, size, fault := r.header(p)
			if fault == nil && size > 0 {
				fault = r.admit(h, rules)
			}
			if fault != nil || size == 0 {
				return Event{}, nil, fault
			}
			p = p[size:]
			if h.stands() && h.length <= uint64(len(p)) {
				payload := p[:h.length:h.length]
				unmask(payload, payload, h.key)
				event, fault := whole(h.op, payload)
				return event, p[h.length:], fault
			}
			r.begin(h)
		}
		taken, fault := r.cut.take(p, rules)
		if fault != nil {
			return Event{}, nil, fault
		}
		p = p[taken:]
		if r.cut.left > 0 {
			break
		}
		if event, fault := r.cut.finish(); event.Op != 0 || fault != nil {
			return event, p, fault
		}
	}
	return Event{}, nil, nil
}

// header reads the next frame's header; size is how much of p belongs to it, 0 if p ends before it does.
func (r *Reader) header(p []byte) (h header, size int, fault *Error) {
	inMessage := r.cut != nil && r.cut.op != 0
	if r.cut == nil || r.cut.headLen == 0 {
		h, size, fault = parseHeader(p, inMessage)
		if size == 0 && fault == nil {
			c := r.remember()
			c.headLen = uint8(copy(c.head[:], p))
		}
		return h, size, fault
	}
	c := r.cut
	before := int(c.headLen)
	c.headLen += uint8(copy(c.head[before:], p))
	h, size, fault = parseHeader(c.head[:c.headLen], inMessage)
	if size == 0 {
		return h, 0, fault
	}
	c.headLen = 0
	return h, size - before, nil
}

// admit applies the rules to a header, before anything of the frame is kept.
func (r *Reader) admit(h header, rules Rules) *Error {
	if h.op.control() {
		return nil
	}
	if rules.ReceiveOnly {
		return errReceiveOnly
	}
	room := rules.limit()
	if r.cut != nil {
		room -= len(r.cut.message)
	}
	if room < 0 || h.length > uint64(room) {
		return errTooBig
	}
	return nil
}

func (r Rules) limit() int {
	if r.ReadLimit <= 0 {
		return DefaultReadLimit
	}
	return r.ReadLimit
}

// stands reports whether the frame alone makes an event.
func (h header) stands() bool { return h.fin && h.op != continuation }

// begin begins a frame that is cut or a fragment.
func (r *Reader) begin(h header) {
	c := r.remember()
	c.inFrame, c.frame, c.left = true, h, int(h.length)
	if h.op == Text || h.op == Binary {
		c.op = h.op
	}
}

func (r *Reader) remember() *cut {
	if r.cut == nil {
		r.cut = cuts.Get().(*cut)
	}
	return r.cut
}

func (r *Reader) drop() {
	if r.cut == nil {
		return
	}
	*r.cut = cut{}
	cuts.Put(r.cut)
	r.cut = nil
}

// idle reports whether there is nothing to remember.
func (c *cut) idle() bool { return c.headLen == 0 && !c.inFrame && c.op == 0 }

// take takes what p has of the frame's payload and returns how much that is.
func (c *cut) take(p []byte, rules Rules) (taken int, fault *Error) {
	taken = min(len(p), c.left)
	c.left -= taken
	if c.frame.op.control() {
		if c.control == nil && c.frame.length > 0 {
			c.control = make([]byte, 0, c.frame.length) // at most 125 bytes
		}
		c.control = c.appendUnmasked(c.control, p[:taken])
		return taken, nil
	}
	most := rules.limit()
	if c.frame.fin {
		most = len(c.message) + taken + c.left
	}
	c.message = c.appendUnmasked(grow(c.message, taken, most), p[:taken])
	if c.op != Text {
		return taken, nil
	}
	whole, ok := checkText(c.message[c.checked:])
	if c.checked += whole; !ok {
		return taken, errText
	}
	return taken, nil
}

// appendUnmasked appends to dst, which has the room.
func (c *cut) appendUnmasked(dst, masked []byte) []byte {
	end := len(dst) + len(masked)
	c.frame.key = unmask(dst[len(dst):end], masked, c.frame.key)
	return dst[:end]
}

// leastGrowth spares a message that comes a few bytes at a time the first copies, and makes up for the header at the beginning of
// the first of equal pieces.
const leastGrowth = 64

// grow makes room for n bytes more, and for as many as there are then, but not for more than most: what is taken depends on what has
// come and not on what was announced.
func grow(b []byte, n, most int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	bigger := make([]byte, len(b), max(need, min(most, 2*need+leastGrowth)))
	copy(bigger, b)
	return bigger
}

// finish ends a frame whose payload is complete. The event is that of a control frame, or of the message's last fragment.
func (c *cut) finish() (event Event, fault *Error) {
	c.inFrame = false
	if c.frame.op.control() {
		event, fault = whole(c.frame.op, c.control)
		c.control = nil
		return event, fault
	}
	if !c.frame.fin {
		return Event{}, nil
	}
	event = Event{Op: c.op, Payload: c.message}
	if c.op == Text && c.checked < len(c.message) { // it ends within a character
		fault = errText
	}
	c.op, c.message, c.checked = 0, nil, 0
	return event, fault
}

// whole makes an event of a frame's whole payload.
func whole(op Op, payload []byte) (Event, *Error) {
	switch op {
	case Text:
		if !utf8.Valid(payload) {
			return Event{}, errText
		}
	case Close:
		return closing(payload)
	}
	return Event{Op: op, Payload: payload}, nil
}

// closing makes an event of a close frame's payload: nothing, or a code and a reason (RFC 6455 §5.5.1).
func closing(payload []byte) (Event, *Error) {
	if len(payload) == 0 {
		return Event{Op: Close}, nil
	}
	if len(payload) == 1 {
		return Event{}, errCloseLength
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	if !mayStand(code) {
		return Event{}, errCloseCode
	}
	if !utf8.Valid(reason) {
		return Event{}, errCloseReason
	}
	return Event{Op: Close, Code: code, Payload: reason}, nil
}
