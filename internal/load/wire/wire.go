// Package wire reads HTTP/1.1 answers and WebSocket frames from a stream that comes in pieces, in place: it hands out slices of
// the pieces and keeps a few bytes of state, none of the data. It is the client's side only, and only as much of it as a load
// generator needs; what does not fit is an error, never a guess.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// MaxHead is the most that an answer's head may have.
const MaxHead = 16 << 10

// ErrHead means that an answer's head is too long or not HTTP/1.1's.
var ErrHead = errors.New("not the head of an HTTP/1.1 answer")

// A Head is what matters of an answer's head.
type Head struct {
	Status  int
	Chunked bool
	// Length is of the body; negative where it lasts until the connection ends.
	Length int64
	// Close says that the server closes after this answer.
	Close  bool
	Accept string // Sec-WebSocket-Accept
}

// ParseHead reads the head at the beginning of text and returns how long it is; 0 while it is not complete.
func ParseHead(text []byte) (h Head, n int, err error) {
	end := bytes.Index(text, []byte("\r\n\r\n"))
	if end < 0 {
		if len(text) > MaxHead {
			return h, 0, fmt.Errorf("%w: longer than %d bytes", ErrHead, MaxHead)
		}
		return h, 0, nil
	}
	line, rest, _ := bytes.Cut(text[:end+2], []byte("\r\n"))
	if h.Status, err = status(line); err != nil {
		return h, 0, err
	}
	h.Length = -1
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, 0, fmt.Errorf("%w: the line %.60q", ErrHead, line)
		}
		if err := h.field(name, string(bytes.TrimSpace(value))); err != nil {
			return h, 0, err
		}
	}
	if h.Chunked {
		h.Length = -1 // RFC 9112 §6.3: chunks win over a length
	}
	if h.Status == 204 || h.Status == 304 || h.Status/100 == 1 { // RFC 9112 §6.3: these have no body
		h.Chunked, h.Length = false, 0
	}
	return h, end + 4, nil
}

func status(line []byte) (int, error) {
	if len(line) < len("HTTP/1.1 200") || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return 0, fmt.Errorf("%w: it begins %.60q", ErrHead, line)
	}
	n, err := strconv.Atoi(string(line[9:12]))
	if err != nil || n < 100 {
		return 0, fmt.Errorf("%w: the status %q", ErrHead, line[9:12])
	}
	return n, nil
}

func (h *Head) field(name []byte, value string) error {
	switch {
	case equalFold(name, "content-length"):
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: Content-Length %.60q", ErrHead, value)
		}
		h.Length = n
	case equalFold(name, "transfer-encoding"):
		if !equalFold([]byte(value), "chunked") {
			return fmt.Errorf("%w: Transfer-Encoding %.60q", ErrHead, value)
		}
		h.Chunked = true
	case equalFold(name, "connection"):
		h.Close = equalFold([]byte(value), "close")
	case equalFold(name, "sec-websocket-accept"):
		h.Accept = value
	}
	return nil
}

func equalFold(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

// A Sink takes the bytes of a body or of a message, in order, as slices of what was read: it must not keep them.
type Sink func(piece []byte)
