package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrChunk means that a body is not in chunks as RFC 9112 §7.1 has them.
var ErrChunk = errors.New("not a chunked body")

// A Body takes the body of an answer out of the stream. Start it with NewBody.
type Body struct {
	left  int64 // of the chunk, or of a body with a length; negative: until the connection ends
	state bodyState
	digit bool // a digit of the chunk's size was seen
}

type bodyState uint8

const (
	plain     bodyState = iota // a body without chunks
	size                       // in a chunk's size
	extension                  // behind it, up to the line's end
	inside                     // in its data
	afterData                  // at the CRLF behind the data
	trailer                    // at the beginning of a line behind the last chunk
	trailing                   // in such a line
	over                       // the body has ended
)

const maxChunk = 1 << 40

// NewBody begins the body of an answer.
func NewBody(h Head) Body {
	switch {
	case h.Chunked:
		return Body{state: size}
	case h.Length == 0:
		return Body{state: over}
	}
	return Body{state: plain, left: h.Length}
}

// Done reports whether the body is complete.
func (b *Body) Done() bool { return b.state == over }

// Read takes what belongs to the body from piece, hands it to sink, and returns the rest: the beginning of the next answer.
func (b *Body) Read(piece []byte, sink Sink) (rest []byte, err error) {
	for len(piece) > 0 && b.state != over {
		switch b.state {
		case plain:
			if b.left < 0 {
				sink(piece)
				return nil, nil
			}
			piece = b.data(piece, sink, over)
		case inside:
			piece = b.data(piece, sink, afterData)
		case size:
			piece, err = b.size(piece)
		case extension:
			piece = b.line(piece, b.afterSize())
		case afterData:
			piece, err = b.afterData(piece)
		case trailer:
			piece = b.trailer(piece)
		case trailing:
			piece = b.line(piece, trailer)
		}
		if err != nil {
			return nil, err
		}
	}
	return piece, nil
}

// data hands out what is there of left bytes; behind them comes next.
func (b *Body) data(piece []byte, sink Sink, next bodyState) []byte {
	n := min(int64(len(piece)), b.left)
	sink(piece[:n])
	if b.left -= n; b.left == 0 {
		b.state = next
	}
	return piece[n:]
}

func (b *Body) size(piece []byte) ([]byte, error) {
	for i, c := range piece {
		v, ok := hexDigit(c)
		if !ok {
			if !b.digit || c != '\r' && c != '\n' && c != ';' && c != ' ' {
				return nil, fmt.Errorf("%w: %q in the size of a chunk", ErrChunk, c)
			}
			b.state = extension
			return piece[i:], nil
		}
		if b.left = b.left<<4 | v; b.left > maxChunk {
			return nil, fmt.Errorf("%w: a chunk of more than %d bytes", ErrChunk, int64(maxChunk))
		}
		b.digit = true
	}
	return nil, nil
}

// afterData takes a byte of the line's end behind a chunk. Its two bytes may come apart.
func (b *Body) afterData(piece []byte) ([]byte, error) {
	switch piece[0] {
	case '\r':
	case '\n':
		b.state, b.left, b.digit = size, 0, false
	default:
		return nil, fmt.Errorf("%w: %q stands behind a chunk", ErrChunk, piece[0])
	}
	return piece[1:], nil
}

// trailer looks whether a line of the trailer follows, or its end.
func (b *Body) trailer(piece []byte) []byte {
	switch piece[0] {
	case '\r':
	case '\n':
		b.state = over
	default:
		b.state = trailing
		return piece
	}
	return piece[1:]
}

func (b *Body) afterSize() bodyState {
	if b.left == 0 {
		return trailer
	}
	return inside
}

// line skips to behind the line's end; then comes next.
func (b *Body) line(piece []byte, next bodyState) []byte {
	i := bytes.IndexByte(piece, '\n')
	if i < 0 {
		return nil
	}
	b.state = next
	return piece[i+1:]
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}
