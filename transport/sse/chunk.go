package sse

import (
	"strconv"

	"github.com/todoke-dev/todoke"
)

// lastChunk ends a body (RFC 9112 §7.1): a client that reads it knows that it was not cut.
const lastChunk = "0\r\n\r\n"

// chunkedRaw and chunkedMessage are Raw and Message with each event in a chunk of its own (RFC 9112 §7.1), so that the chunk's
// head is part of what all readers share.
type (
	chunkedRaw     struct{}
	chunkedMessage struct{}
)

var (
	_ todoke.Format = chunkedRaw{}
	_ todoke.Format = chunkedMessage{}
)

func chunkedOf(format todoke.Format) todoke.Format {
	if format == (Message{}) {
		return chunkedMessage{}
	}
	return chunkedRaw{}
}

// AppendMessage implements todoke.Format.
func (chunkedRaw) AppendMessage(dst []byte, m *todoke.Message) []byte {
	return endChunk(Raw{}.AppendMessage(dst, m), len(dst))
}

// AppendGap implements todoke.Format.
func (chunkedRaw) AppendGap(dst []byte, g todoke.Gap) []byte {
	return appendChunk(dst, appendGap(nil, g))
}

// AppendMessage implements todoke.Format.
func (chunkedMessage) AppendMessage(dst []byte, m *todoke.Message) []byte {
	return endChunk(Message{}.AppendMessage(dst, m), len(dst))
}

// AppendGap implements todoke.Format.
func (chunkedMessage) AppendGap(dst []byte, g todoke.Gap) []byte {
	return appendChunk(dst, appendGap(nil, g))
}

func appendChunk(dst, data []byte) []byte { return endChunk(append(dst, data...), len(dst)) }

// endChunk makes what stands from start on a chunk.
func endChunk(dst []byte, start int) []byte {
	size := len(dst) - start
	var room [18]byte
	head := append(strconv.AppendUint(room[:0], uint64(size), 16), '\r', '\n')
	dst = append(dst, head...)
	copy(dst[start+len(head):], dst[start:start+size])
	copy(dst[start:], head)
	return append(dst, '\r', '\n')
}
