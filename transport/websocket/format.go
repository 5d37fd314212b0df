package websocket

import (
	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/websocket/framing"
)

// streamText and sessionText are frame.Stream and frame.Session with each object in a text frame of its own, so that the frame's head is
// part of what all readers share.
type (
	streamText  struct{}
	sessionText struct{}
)

var (
	_ todoke.Format = streamText{}
	_ todoke.Format = sessionText{}
)

// AppendMessage implements todoke.Format.
func (streamText) AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst, mark := framing.Begin(dst)
	return framing.End(frame.Stream{}.AppendMessage(dst, m), mark, framing.Text)
}

// AppendGap implements todoke.Format.
func (streamText) AppendGap(dst []byte, g todoke.Gap) []byte {
	dst, mark := framing.Begin(dst)
	return framing.End(frame.Stream{}.AppendGap(dst, g), mark, framing.Text)
}

// AppendMessage implements todoke.Format.
func (sessionText) AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst, mark := framing.Begin(dst)
	return framing.End(frame.Session{}.AppendMessage(dst, m), mark, framing.Text)
}

// AppendGap implements todoke.Format.
func (sessionText) AppendGap(dst []byte, g todoke.Gap) []byte {
	dst, mark := framing.Begin(dst)
	return framing.End(frame.Session{}.AppendGap(dst, g), mark, framing.Text)
}

// appendPosition appends a frame that tells a reader where it is.
func appendPosition(dst []byte, at todoke.Position, subscription uint32) []byte {
	dst, mark := framing.Begin(dst)
	return framing.End(frame.AppendPosition(dst, at, subscription), mark, framing.Text)
}
