package wire

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFrame means that a server's frame is not as RFC 6455 §5.2 has them.
var ErrFrame = errors.New("not a WebSocket frame of a server")

// The opcodes of RFC 6455 §5.2.
const (
	OpContinuation = 0
	OpText         = 1
	OpBinary       = 2
	OpClose        = 8
	OpPing         = 9
	OpPong         = 10
)

// AcceptOf returns the Sec-WebSocket-Accept that answers a key (RFC 6455 §4.2.2).
func AcceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// A Frames takes the frames of a server out of the stream. The zero value stands before the first.
type Frames struct {
	left    uint64 // of the frame's payload
	head    [10]byte
	have    uint8 // bytes of head
	inside  bool
	opcode  uint8
	control []byte // the payload of a control frame
}

// A FrameSink takes a stream's frames: Data each piece of a message's payload, Frame the end of each data frame (final where it
// ends the message), and Control a whole control frame. What they get is not theirs to keep.
type FrameSink interface {
	Data(piece []byte)
	Frame(final bool)
	Control(opcode byte, payload []byte)
}

// Read hands the frames in piece to sink.
func (f *Frames) Read(piece []byte, sink FrameSink) error {
	for len(piece) > 0 {
		if !f.inside {
			n, err := f.header(piece)
			if err != nil {
				return err
			}
			piece = piece[n:]
			if !f.inside {
				return nil
			}
		}
		n := int(min(f.left, uint64(len(piece))))
		f.left -= uint64(n)
		if f.opcode < OpClose {
			if n > 0 {
				sink.Data(piece[:n])
			}
		} else {
			f.control = append(f.control, piece[:n]...)
		}
		piece = piece[n:]
		if f.left == 0 {
			f.end(sink)
		}
	}
	return nil
}

func (f *Frames) end(sink FrameSink) {
	f.inside, f.have = false, 0
	if f.opcode < OpClose {
		sink.Frame(f.head[0]&0x80 != 0)
		return
	}
	sink.Control(f.opcode, f.control)
	f.control = nil
}

// header takes the header's bytes from piece and returns how many. f.inside tells whether it is complete.
func (f *Frames) header(piece []byte) (n int, err error) {
	for n < len(piece) {
		f.head[f.have] = piece[n]
		f.have++
		n++
		if f.have < 2 {
			continue
		}
		if f.have == 2 {
			if err := f.check(); err != nil {
				return n, err
			}
		}
		short := f.head[1] & 0x7f
		switch {
		case short < 126:
			f.left = uint64(short)
		case short == 126 && f.have == 4:
			f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
		case short == 127 && f.have == 10:
			f.left = binary.BigEndian.Uint64(f.head[2:])
		default:
			continue
		}
		if f.left > maxChunk {
			return n, fmt.Errorf("%w: it has %d bytes", ErrFrame, f.left)
		}
		f.inside = true
		break
	}
	return n, nil
}

func (f *Frames) check() error {
	f.opcode = f.head[0] & 0x0f
	switch {
	case f.head[0]&0x70 != 0:
		return fmt.Errorf("%w: reserved bits are set, and no extension was agreed on", ErrFrame)
	case f.head[1]&0x80 != 0:
		return fmt.Errorf("%w: it is masked", ErrFrame) // §5.1
	case f.opcode > OpBinary && f.opcode < OpClose, f.opcode > OpPong:
		return fmt.Errorf("%w: opcode %d", ErrFrame, f.opcode)
	case f.opcode >= OpClose && (f.head[1] > 125 || f.head[0]&0x80 == 0):
		return fmt.Errorf("%w: a control frame that is long or in parts", ErrFrame) // §5.5
	}
	return nil
}

// AppendFrame appends a whole client's frame, masked with the key (RFC 6455 §5.3).
func AppendFrame(dst []byte, opcode byte, payload []byte, key uint32) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = binary.LittleEndian.AppendUint32(dst, key)
	start := len(dst)
	dst = append(dst, payload...)
	mask(dst[start:], key)
	return dst
}

func mask(b []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * (i & 3)))
	}
}
