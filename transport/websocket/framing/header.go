package framing

import "encoding/binary"

// mostHeader is the longest header of a client's frame: two bytes, eight of length, four of mask (RFC 6455 §5.2).
const mostHeader = 14

// A header is what precedes a frame's payload.
type header struct {
	length uint64 // under 2^63
	key    uint32 // as unmask takes it
	op     Op
	fin    bool
}

// parseHeader reads the header at the beginning of b, which is not empty; it is size bytes long; size 0 says that b is cut before the header's end. Each byte
// is looked at as soon as it is there, in order, so that a fault does not depend on how the bytes were cut. inMessage says
// that a message was begun and not ended.
func parseHeader(b []byte, inMessage bool) (h header, size int, fault *Error) {
	h.fin, h.op = b[0]&finBit != 0, Op(b[0]&0xf)
	if fault := checkFirst(b[0], inMessage); fault != nil || len(b) < 2 {
		return h, 0, fault
	}
	// RFC 6455 §5.1: a server closes when it gets a frame without a mask.
	if b[1]&maskBit == 0 {
		return h, 0, errMask
	}
	size = 2
	switch length := b[1] &^ maskBit; {
	case h.op.control() && length > mostControl:
		return h, 0, errControlLength
	case length == length16:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.length, size = uint64(binary.BigEndian.Uint16(b[2:])), 4
		if h.length < length16 {
			return h, 0, errLength
		}
	case length == length64:
		if len(b) < 10 {
			return h, 0, nil
		}
		h.length, size = binary.BigEndian.Uint64(b[2:]), 10
		if h.length>>63 != 0 {
			return h, 0, errLengthBit
		}
		if h.length < 1<<16 {
			return h, 0, errLength
		}
	default:
		h.length = uint64(length)
	}
	if len(b) < size+4 {
		return h, 0, nil
	}
	h.key = binary.LittleEndian.Uint32(b[size:])
	return h, size + 4, nil
}

// checkFirst checks a frame's first byte: the reserved bits, the opcode, and whether such a frame may come now.
func checkFirst(b byte, inMessage bool) *Error {
	if b&reservedBit != 0 {
		return errReserved
	}
	switch op := Op(b & 0xf); op {
	case continuation:
		if !inMessage {
			return errNoMessage
		}
	case Text, Binary:
		if inMessage {
			return errInMessage
		}
	case Close, Ping, Pong:
		if b&finBit == 0 {
			return errControlCut
		}
	default:
		return errOpcode
	}
	return nil
}
