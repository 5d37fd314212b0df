package redis

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/todoke-dev/todoke"
)

// A message is kept as a byte for the form, the TTL in form 2 (nanoseconds, little endian, for library.lua reads it), then
// type, event, key, the number of headers and their names and values, each after its length, and the data.
const (
	formPlain = 1
	formTTL   = 2
)

// Types that are a number instead of a length; a type's length comes after them.
const (
	typeText = iota
	typeJSON
	typeOther
)

const mediaJSON = "application/json"

var errMalformed = errors.New("a message in Redis is malformed: it was not written by todoke, or by a newer version")

// sizeOf is about how many bytes encode takes, not less.
func sizeOf(m *todoke.Message) int {
	size := 24 + len(m.Type) + len(m.Event) + len(m.Key) + len(m.Data)
	for name, value := range m.Headers {
		size += 4 + len(name) + len(value)
	}
	return size
}

// encode appends what is kept of m: everything but its channel, position and time.
func encode(b []byte, m *todoke.Message) []byte {
	if m.TTL > 0 {
		b = append(b, formTTL)
		b = binary.LittleEndian.AppendUint64(b, uint64(m.TTL))
	} else {
		b = append(b, formPlain)
	}
	switch m.Type {
	case todoke.TypeText:
		b = append(b, typeText)
	case mediaJSON:
		b = append(b, typeJSON)
	default:
		b = binary.AppendUvarint(b, uint64(typeOther+len(m.Type)))
		b = append(b, m.Type...)
	}
	b = appendText(b, m.Event)
	b = appendText(b, m.Key)
	b = binary.AppendUvarint(b, uint64(len(m.Headers)))
	for name, value := range m.Headers {
		b = appendText(b, name)
		b = appendText(b, value)
	}
	return append(b, m.Data...)
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// frameHead is what stands before a message in a group: how far its offset lies before the last of its section, and its length.
const frameHead = 8

// appendFrame adds a message to a group; how far it lies before the last is left to setBack.
func appendFrame(group []byte, m *todoke.Message) []byte {
	start := len(group)
	group = encode(append(group, make([]byte, frameHead)...), m)
	binary.LittleEndian.PutUint32(group[start+4:], uint32(len(group)-start-frameHead))
	return group
}

func setBack(frame []byte, back int) { binary.LittleEndian.PutUint32(frame, uint32(back)) }

// frames goes through the messages of a group, still encoded.
func frames(group []byte, visit func(back todoke.Offset, message []byte) error) error {
	for len(group) > 0 {
		if len(group) < frameHead {
			return errMalformed
		}
		back, length := binary.LittleEndian.Uint32(group), binary.LittleEndian.Uint32(group[4:])
		group = group[frameHead:]
		if uint64(length) > uint64(len(group)) {
			return errMalformed
		}
		if err := visit(todoke.Offset(back), group[:length:length]); err != nil {
			return err
		}
		group = group[length:]
	}
	return nil
}

// decode reads what encode wrote. The message's data is a part of b.
func decode(b []byte, m *todoke.Message) error {
	r := reader{rest: b}
	switch r.byte() {
	case formPlain:
	case formTTL:
		if m.TTL = time.Duration(r.uint64()); m.TTL <= 0 {
			return errMalformed
		}
	default:
		return errMalformed
	}
	switch code := r.uvarint(); code {
	case typeText:
		m.Type = todoke.TypeText
	case typeJSON:
		m.Type = mediaJSON
	default:
		m.Type = r.take(code - typeOther)
	}
	m.Event = r.take(r.uvarint())
	m.Key = r.take(r.uvarint())
	headers := r.uvarint()
	if r.bad || headers > uint64(len(r.rest)) {
		return errMalformed
	}
	if headers > 0 {
		m.Headers = make(map[string]string, headers)
		for range headers {
			name := r.take(r.uvarint())
			m.Headers[name] = r.take(r.uvarint())
		}
	}
	if r.bad {
		return errMalformed
	}
	m.Data = r.rest
	return nil
}

// A reader takes bytes off the front of rest. After the first that is not there it is bad, and gives nothing.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uint64() uint64 {
	if len(r.rest) < 8 {
		r.bad = true
		return 0
	}
	n := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return n
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) take(n uint64) string {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
