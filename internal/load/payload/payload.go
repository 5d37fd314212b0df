// Package payload writes the numbers that a message of a load run carries, and finds them again in whatever a server
// makes of the message.
//
// A stamp is 49 bytes of text that no format escapes or encodes: "~", the run (6), ".", then in hexadecimal the channel (8), the lane
// and the number (4 and 12) and the intended send time (16), and a closing ".". It is found by its beginning, so a reader needs
// to know nothing of what stands around it. The rest of a message is filled up with letters.
//
// A lane is one publisher's messages on one channel. Within a lane the numbers count from 0, and the publisher sends the
// next one when the last was answered or, in a session, behind it on the same connection: so every reader has to see
// them in order, however many publishers there are.
package payload

import (
	"bytes"
	"encoding/binary"
)

// Size is the length of a stamp, and so of the smallest message.
const Size = markSize + 8 + 16 + 16 + 1

const (
	runSize  = 6
	markSize = 1 + runSize + 1
	first    = '~' // occurs nowhere else in what a run sends
)

// A Stamp is what a message tells of itself.
type Stamp struct {
	Channel uint32
	Lane    uint16
	Number  uint64 // 48 bits
	Due     int64  // when it was to be sent, in ns of the generator's clock
}

// A Run tells the stamps of one run from those of another.
type Run [markSize]byte

// NewRun makes the run of an id; its lower 24 bits count.
func NewRun(id uint32) (r Run) {
	r[0], r[markSize-1] = first, '.'
	putHex(r[1:markSize-1], uint64(id))
	return r
}

// Name is the run as text: part of its channels' names.
func (r Run) Name() string { return string(r[1 : markSize-1]) }

// Append appends a message of size bytes (at least Size) with stamp s.
func (r Run) Append(dst []byte, s Stamp, size int) []byte {
	start := len(dst)
	dst = append(dst, r[:]...)
	dst = append(dst, zeros[:]...)
	dst = append(dst, '.')
	Put(dst[start:], s)
	for len(dst)-start < size {
		dst = append(dst, fill[:min(len(fill), size-(len(dst)-start))]...)
	}
	return dst
}

var zeros = [Size - markSize - 1]byte{}

const fill = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

// Put overwrites the stamp at the beginning of a message.
func Put(message []byte, s Stamp) {
	putHex(message[markSize:markSize+8], uint64(s.Channel))
	putHex(message[markSize+8:markSize+24], uint64(s.Lane)<<48|s.Number&(1<<48-1))
	putHex(message[markSize+24:markSize+40], uint64(s.Due))
}

// Parse reads the stamp at the beginning of text, which has at least Size bytes and begins with the run. It is wrong
// where a digit is none; that shows in the numbers.
func Parse(text []byte) (s Stamp) {
	_ = text[Size-1]
	s.Channel = hex8(text[markSize:])
	second := uint64(hex8(text[markSize+8:]))<<32 | uint64(hex8(text[markSize+16:]))
	s.Lane, s.Number = uint16(second>>48), second&(1<<48-1)
	s.Due = int64(uint64(hex8(text[markSize+24:]))<<32 | uint64(hex8(text[markSize+32:])))
	return s
}

// hex8 reads eight lower-case digits at once: in each byte the low four bits are the value, and letters lack 9.
func hex8(text []byte) uint32 {
	x := binary.BigEndian.Uint64(text)
	x = x&0x0f0f0f0f0f0f0f0f + 9*(x>>6&0x0101010101010101)
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

func putHex(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = "0123456789abcdef"[v&15]
		v >>= 4
	}
}

// A Finder finds the stamps of one run in a stream that comes in pieces. The zero value has seen nothing yet; it
// allocates only where a stamp is cut.
type Finder struct {
	carry []byte // the beginning of a stamp that the next piece may complete
}

// Find calls each for every stamp that is complete with this piece, in order.
func (f *Finder) Find(run *Run, piece []byte, each func(Stamp)) {
	if len(f.carry) > 0 {
		piece = f.complete(run, piece, each)
	}
	for {
		i := bytes.Index(piece, run[:])
		if i < 0 || len(piece)-i < Size {
			f.keep(run, piece, i)
			return
		}
		each(Parse(piece[i:]))
		piece = piece[i+Size:]
	}
}

// complete tries the carry together with piece, and returns what of piece is left to be searched.
func (f *Finder) complete(run *Run, piece []byte, each func(Stamp)) []byte {
	missing := Size - len(f.carry)
	taken := min(missing, len(piece))
	f.carry = append(f.carry, piece[:taken]...)
	n := min(len(f.carry), markSize)
	if !bytes.Equal(f.carry[:n], run[:n]) {
		// Another text that begins like a stamp. It cannot contain the beginning of one: that is a letter which messages have once.
		f.carry = f.carry[:0]
		return piece
	}
	if len(f.carry) < Size {
		return nil
	}
	each(Parse(f.carry))
	f.carry = f.carry[:0]
	return piece[taken:]
}

// keep remembers the beginning of a stamp at the end of piece. at is where the mark stands, negative if it does not, whole.
func (f *Finder) keep(run *Run, piece []byte, at int) {
	if at < 0 {
		tail := piece[max(0, len(piece)-markSize+1):]
		i := bytes.LastIndexByte(tail, first)
		if i < 0 || !bytes.HasPrefix(run[:], tail[i:]) {
			return
		}
		at = len(piece) - len(tail) + i
	}
	if f.carry == nil {
		f.carry = make([]byte, 0, Size)
	}
	f.carry = append(f.carry[:0], piece[at:]...)
}
