package framing

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// AppendText appends a text frame, which is a whole message. The payload must be UTF-8 (RFC 6455 §5.6).
func AppendText(dst, payload []byte) []byte { return appendFrame(dst, Text, payload) }

// AppendBinary appends a binary frame, which is a whole message.
func AppendBinary(dst, payload []byte) []byte { return appendFrame(dst, Binary, payload) }

// AppendPing appends a ping. Of a payload over 125 bytes it sends the first 125 (RFC 6455 §5.5).
func AppendPing(dst, payload []byte) []byte {
	return appendFrame(dst, Ping, payload[:min(len(payload), mostControl)])
}

// AppendPong appends a pong, which answers a ping with the ping's payload (RFC 6455 §5.5.3); like AppendPing.
func AppendPong(dst, payload []byte) []byte {
	return appendFrame(dst, Pong, payload[:min(len(payload), mostControl)])
}

// AppendClose appends a close. Code 0, like every code that may not stand in a frame (RFC 6455 §7.4.1), makes a close without
// code and reason. A reason over 123 bytes is cut between two characters; what is not UTF-8 in it is replaced.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if !mayStand(code) {
		return append(dst, finBit|byte(Close), 0)
	}
	if !utf8.ValidString(reason) {
		reason = strings.ToValidUTF8(reason, string(utf8.RuneError))
	}
	if len(reason) > mostReason {
		end := mostReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	dst = append(dst, finBit|byte(Close), byte(2+len(reason)))
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, reason...)
}

func appendFrame(dst []byte, op Op, payload []byte) []byte {
	return append(appendHeader(dst, op, len(payload)), payload...)
}

// appendHeader appends the header of an unmasked frame without further fragments (RFC 6455 §5.2).
func appendHeader(dst []byte, op Op, length int) []byte {
	first := finBit | byte(op)
	switch {
	case length < length16:
		return append(dst, first, byte(length))
	case length < 1<<16:
		return append(dst, first, length16, byte(length>>8), byte(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, length64), uint64(length))
	}
}

// reserved is what Begin keeps free: the header of a payload from 126 bytes to 64 KiB, so that these, the most, stay where they
// are. Fewer are moved two bytes to the left, which is nothing, and more six to the right, which is little beside making them.
const reserved = 4

// Begin begins a frame whose payload the caller appends; [End], with the same mark, completes it. Between the two the caller
// may only append.
func Begin(dst []byte) (begun []byte, mark int) {
	return append(dst, make([]byte, reserved)...), len(dst)
}

// End makes what was appended since [Begin] returned mark a frame of kind op, which must be [Text] or [Binary]. It changes nothing
// before mark.
func End(dst []byte, mark int, op Op) []byte {
	start := mark + reserved
	length := len(dst) - start
	switch {
	case length < length16:
		copy(dst[mark+2:], dst[start:])
		dst = dst[:mark+2+length]
	case length >= 1<<16:
		dst = append(dst, make([]byte, 10-reserved)...)
		copy(dst[mark+10:], dst[start:start+length])
	}
	appendHeader(dst[:mark], op, length) // there is room for it, so it is written in place
	return dst
}
