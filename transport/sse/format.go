package sse

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
)

// The names of the events that are not messages.
const (
	EventPosition = todoke.ReservedEventPrefix + "position"
	EventGap      = todoke.ReservedEventPrefix + "gap"
	EventError    = todoke.ReservedEventPrefix + "error"
)

// Raw is the format in which a message's data stands in data: as it is; data that is not UTF-8, as base64. An event's
// lines end with LF whatever they ended with before (WHATWG HTML §9.2.6). It is a todoke.Format.
type Raw struct{}

// Message is the format in which data: has the message object. It is a todoke.Format.
type Message struct{}

var (
	_ todoke.Format = Raw{}
	_ todoke.Format = Message{}
)

// formatOf returns the format that read asks for: where the client leaves it open, Raw if it knows the channel.
func formatOf(read request.Read) todoke.Format {
	if read.Format == request.FormatMessage || read.Format == "" && read.Many {
		return Message{}
	}
	return Raw{}
}

// AppendMessage appends a whole event with id:, event: where the message has one, and its data.
func (Raw) AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst = appendHead(dst, m)
	if utf8.Valid(m.Data) {
		dst = appendLines(dst, m.Data)
	} else {
		dst = append(dst, "data: "...)
		dst = base64.StdEncoding.AppendEncode(dst, m.Data)
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

// AppendGap appends the event todoke.gap.
func (Raw) AppendGap(dst []byte, g todoke.Gap) []byte { return appendGap(dst, g) }

// AppendMessage appends a whole event with id:, event: where the message has one, and the message object.
func (Message) AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst = appendHead(dst, m)
	start := len(dst)
	dst = append(dst, "data: "...)
	object := len(dst)
	dst = frame.AppendMessage(dst, m)
	if bytes.IndexByte(dst[object:], '\n') >= 0 || bytes.IndexByte(dst[object:], '\r') >= 0 {
		// JSON that was published in several lines. They may only stand between tokens, so what the client puts together is
		// the same value.
		return append(appendLines(dst[:start], bytes.Clone(dst[object:])), '\n')
	}
	return append(dst, '\n', '\n')
}

// AppendGap appends the event todoke.gap.
func (Message) AppendGap(dst []byte, g todoke.Gap) []byte { return appendGap(dst, g) }

func appendHead(dst []byte, m *todoke.Message) []byte {
	dst = append(dst, "id: "...)
	dst = m.Position.AppendTo(dst)
	dst = append(dst, '\n')
	if m.Event == "" {
		return dst
	}
	dst = append(dst, "event: "...)
	dst = append(dst, m.Event...) // has no line break: the hub refuses control characters
	return append(dst, '\n')
}

// appendLines appends a data: line for each line of data; CR, LF and CRLF end one. There is at least one, for an event without a
// data: line is not dispatched.
func appendLines(dst, data []byte) []byte {
	carriage := bytes.IndexByte(data, '\r') >= 0 // rare; without it the search for the line's end is many times as fast
	for {
		dst = append(dst, "data: "...)
		i := lineEnd(data, carriage)
		dst = append(dst, data[:i]...)
		dst = append(dst, '\n')
		if i == len(data) {
			return dst
		}
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

// lineEnd returns where the first line ends. It never looks beyond, so that a message of line breaks alone costs no more than another.
func lineEnd(data []byte, carriage bool) int {
	if !carriage {
		if n := bytes.IndexByte(data, '\n'); n >= 0 {
			return n
		}
		return len(data)
	}
	for i, c := range data {
		if c == '\n' || c == '\r' {
			return i
		}
	}
	return len(data)
}

func appendGap(dst []byte, g todoke.Gap) []byte {
	dst = append(dst, "event: "+EventGap+"\ndata: {\"gap\":"...)
	dst = frame.AppendGap(dst, g)
	return append(dst, "}\n\n"...)
}

func appendError(dst []byte, err error) []byte {
	dst = append(dst, "event: "+EventError+"\ndata: "...)
	dst = problem.Of(err).Append(dst)
	return append(dst, "\n\n"...)
}

// appendPosition appends an event that nobody listens to unless they want to: the client takes its id in. By the letter an id
// without data would do (§9.2.6: it is kept, nothing is dispatched), but Firefox forgets an id that comes without data, and a
// reader that was cut before its first message would lose what came meanwhile.
func appendPosition(dst []byte, p todoke.Position) []byte {
	dst = append(dst, "id: "...)
	dst = p.AppendTo(dst)
	dst = append(dst, "\nevent: "+EventPosition+"\ndata: "...)
	dst = frame.AppendPosition(dst, p, 0)
	return append(dst, "\n\n"...)
}

func appendKeepAlive(dst []byte, p todoke.Position) []byte {
	return appendPosition(append(dst, ": \n"...), p)
}

// appendRetry appends an event that only sets when the client reconnects.
func appendRetry(dst []byte, after time.Duration) []byte {
	return append(appendRetryLine(dst, after), '\n')
}

func appendRetryLine(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, max(after, 0).Milliseconds(), 10)
	return append(dst, '\n')
}
