package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// errEventTooLarge is returned for a line or an event over the parser's limit.
var errEventTooLarge = errors.New("the event is too large")

// An sseEvent is what the lines up to a blank one said. WHATWG HTML §9.2.6 dispatches an event only if it has data; the
// parser gives those without as well when they set the id: by the letter that is enough to tell a position.
type sseEvent struct {
	name string // the event field; empty means "message"
	// data is valid until the next call. dispatched tells no data (nil) from data that is empty.
	data       []byte
	dispatched bool
	id         string // the last event id as of this event
	setsID     bool   // the event itself had an id field
}

// An sseParser reads a stream of events as WHATWG HTML §9.2.6 has it. Bytes that are not UTF-8 stay as they are. Lines and
// events are bounded; what a stream leaves unfinished at its end is dropped.
type sseParser struct {
	r      *bufio.Reader
	max    int  // most bytes of a line, and of an event's data and name
	begun  bool // the place where a byte order mark may stand is behind us
	skipLF bool // a CR ended the last line, and a LF that follows belongs to it
	line   []byte

	// retry is the last reconnection time that was set; 0: none. It counts from its line on, not from the end of the event.
	retry time.Duration

	data   []byte // of the event being read
	name   []byte
	id     string // the last event ID buffer
	setsID bool
}

func newSSEParser(r io.Reader, limit int) *sseParser {
	return &sseParser{r: bufio.NewReaderSize(r, 16<<10), max: limit}
}

// next returns the next event. The error is errEventTooLarge or the reader's, io.EOF at its end.
func (p *sseParser) next() (sseEvent, error) {
	p.data, p.name, p.setsID = p.data[:0], p.name[:0], false
	for {
		line, err := p.readLine()
		if err != nil {
			return sseEvent{}, err
		}
		if len(line) > 0 {
			if err := p.field(line); err != nil {
				return sseEvent{}, err
			}
			continue
		}
		if len(p.data) > 0 || p.setsID {
			return p.event(), nil
		}
		p.name = p.name[:0] // a block without data has no effect, its name included
	}
}

func (p *sseParser) event() sseEvent {
	e := sseEvent{name: string(p.name), id: p.id, setsID: p.setsID, dispatched: len(p.data) > 0}
	if e.dispatched {
		e.data = p.data[:len(p.data)-1] // the last LF does not count
	}
	return e
}

// field takes in one line that is not blank.
func (p *sseParser) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) { // a comment has the empty name
	case "data":
		if len(p.data)+len(value) > p.max {
			return errEventTooLarge
		}
		p.data = append(append(p.data, value...), '\n')
	case "event":
		p.name = append(p.name[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.id, p.setsID = string(value), true
		}
	case "retry":
		if d, ok := milliseconds(value); ok {
			p.retry = d
		}
	}
	return nil
}

// maxRetry bounds a reconnection time, so that no number overflows.
const maxRetry = 24 * time.Hour

// milliseconds reads ASCII digits only; more than maxRetry is maxRetry.
func milliseconds(digits []byte) (time.Duration, bool) {
	if len(digits) == 0 {
		return 0, false
	}
	var d time.Duration
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		d = min(d*10+time.Duration(c-'0')*time.Millisecond, maxRetry)
	}
	return d, true
}

// readLine returns the next line without its end, which is CR, LF or CRLF. A CR ends it at once: whether a LF follows is seen
// when the next line is read, so that an event is not held back until more arrives.
func (p *sseParser) readLine() ([]byte, error) {
	p.line = p.line[:0]
	for {
		chunk, err := p.chunk()
		if err != nil {
			return nil, err
		}
		end := lineEnd(chunk)
		if end < 0 {
			p.line = append(p.line, chunk...)
			p.r.Discard(len(chunk))
		} else {
			p.line = append(p.line, chunk[:end]...)
		}
		if len(p.line) > p.max {
			return nil, errEventTooLarge
		}
		if end < 0 {
			continue
		}
		p.skipLF = chunk[end] == '\r'
		p.r.Discard(end + 1)
		return p.line, nil
	}
}

// lineEnd returns the place of the first CR or LF, or -1.
func lineEnd(chunk []byte) int {
	lf := bytes.IndexByte(chunk, '\n')
	if lf >= 0 {
		chunk = chunk[:lf]
	}
	if cr := bytes.IndexByte(chunk, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// chunk returns what has arrived, at least one byte, without taking it.
func (p *sseParser) chunk() ([]byte, error) {
	if !p.begun {
		p.begun = true
		// WHATWG HTML §9.2.6: one leading U+FEFF is ignored. No event is shorter than three bytes, so this waits for nothing useful.
		if head, _ := p.r.Peek(3); string(head) == "\uFEFF" {
			p.r.Discard(3)
		}
	}
	for {
		if _, err := p.r.Peek(1); err != nil {
			return nil, err
		}
		chunk, _ := p.r.Peek(p.r.Buffered())
		if !p.skipLF {
			return chunk, nil
		}
		p.skipLF = false
		if chunk[0] != '\n' {
			return chunk, nil
		}
		p.r.Discard(1)
	}
}
