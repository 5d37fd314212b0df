// Package frame has the JSON objects of the wire: messages, gaps, positions and what a publish answers.
// Polling, SSE, WebSocket and the session all send these, and clients read them back with the types in
// decode.go. docs/protocol.md says what they mean.
//
// Encoding appends to a slice, without reflection, and allocates nothing but the growth of that slice.
//
// # What a message's data becomes
//
// Data of a JSON type stands as it was published, byte for byte: it was validated when it was published, and encoding
// it anew would change numbers that do not fit a float64. Text (text/*, UTF-8) is a string. Everything else is
// base64 in data_base64, and so is data that claims to be JSON and is empty or not UTF-8, which no JSON document may
// hold (RFC 8259 §8.1). [Message.Decode] gives back the same Type and Data; only white space around a JSON
// value, which is no part of it (RFC 8259 §2), may be lost.
package frame

import (
	"encoding/base64"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
)

// Stream is the format of a receive-only WebSocket: a message is its message object, a gap is {"gap":{…}}.
type Stream struct{}

// Session is the format of a session: {"message":{…}} and {"gap":{…}}.
type Session struct{}

var (
	_ todoke.Format = Stream{}
	_ todoke.Format = Session{}
)

// AppendMessage appends the message object.
func (Stream) AppendMessage(dst []byte, m *todoke.Message) []byte { return AppendMessage(dst, m) }

// AppendGap appends {"gap":{…}}.
func (Stream) AppendGap(dst []byte, g todoke.Gap) []byte { return appendWrapped(dst, g) }

// AppendMessage appends {"message":{…}}.
func (Session) AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst = append(dst, `{"message":`...)
	dst = AppendMessage(dst, m)
	return append(dst, '}')
}

// AppendGap appends {"gap":{…}}.
func (Session) AppendGap(dst []byte, g todoke.Gap) []byte { return appendWrapped(dst, g) }

func appendWrapped(dst []byte, g todoke.Gap) []byte {
	dst = append(dst, `{"gap":`...)
	dst = AppendGap(dst, g)
	return append(dst, '}')
}

// AppendMessage appends the message object {"id":…,"channel":…,…,"data":…}. A message without a type is
// text/plain, and a position or a time that is zero is left out like every empty field.
func AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst = slices.Grow(dst, messageSize(m))
	dst = append(dst, '{')
	if !m.Position.IsZero() {
		dst = append(dst, `"id":"`...)
		dst = m.Position.AppendTo(dst)
		dst = append(dst, `",`...)
	}
	dst = append(dst, `"channel":`...)
	dst = AppendString(dst, m.Channel)
	if m.Event != "" {
		dst = append(dst, `,"event":`...)
		dst = AppendString(dst, m.Event)
	}
	if m.Key != "" {
		dst = append(dst, `,"key":`...)
		dst = AppendString(dst, m.Key)
	}
	dst = append(dst, `,"type":`...)
	if m.Type == "" {
		dst = append(dst, `"`+todoke.TypeText+`"`...)
	} else {
		dst = AppendString(dst, m.Type)
	}
	if !m.Time.IsZero() {
		dst = append(dst, `,"time":`...)
		dst = appendTime(dst, m.Time)
	}
	dst = appendHeaders(dst, m.Headers)
	dst = appendData(dst, m)
	return append(dst, '}')
}

// messageSize is about what a message's object needs, so that dst grows once. Data that needs many escapes grows again.
func messageSize(m *todoke.Message) int {
	return 128 + len(m.Channel) + len(m.Event) + len(m.Key) + len(m.Type) + len(m.Data) + len(m.Data)/16
}

// appendHeaders sorts the names, so that a message always has the same bytes.
func appendHeaders(dst []byte, headers map[string]string) []byte {
	if len(headers) == 0 {
		return dst
	}
	var room [todoke.MaxHeaders]string // on the stack
	names := room[:0]
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, `,"headers":{`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, name)
		dst = append(dst, ':')
		dst = AppendString(dst, headers[name])
	}
	return append(dst, '}')
}

func appendData(dst []byte, m *todoke.Message) []byte {
	switch {
	case m.IsJSON() && len(m.Data) > 0 && utf8.Valid(m.Data):
		dst = append(dst, `,"data":`...)
		return append(dst, m.Data...)
	case m.IsText(), m.Type == "" && utf8.Valid(m.Data):
		dst = append(dst, `,"data":"`...)
		dst = appendEscaped(dst, m.Data)
	default:
		dst = append(dst, `,"data_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, m.Data)
	}
	return append(dst, '"')
}

// AppendGap appends the gap object {"channel":…,"from":…,"to":…}, with "possible":true where it is.
func AppendGap(dst []byte, g todoke.Gap) []byte {
	dst = append(dst, `{"channel":`...)
	dst = AppendString(dst, g.Channel)
	dst = append(dst, `,"from":"`...)
	dst = appendPosition(dst, g.From)
	dst = append(dst, `","to":"`...)
	dst = appendPosition(dst, g.To)
	dst = append(dst, '"')
	if g.Possible {
		dst = append(dst, `,"possible":true`...)
	}
	return append(dst, '}')
}

// AppendPublished appends what a publish answers: {"id":…,"channel":…,"time":…,"duplicate":…}.
func AppendPublished(dst []byte, p todoke.Published) []byte {
	dst = append(dst, `{"id":"`...)
	dst = appendPosition(dst, p.Position)
	dst = append(dst, `","channel":`...)
	dst = AppendString(dst, p.Channel)
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, p.Time)
	if p.Duplicate {
		return append(dst, `,"duplicate":true}`...)
	}
	return append(dst, `,"duplicate":false}`...)
}

// AppendPosition appends {"position":"…"}, the frame with which a stream opens and stays fresh; in a session, where
// subscriptions have numbers from 1, {"position":"…","subscription":n}. 0 is no subscription.
func AppendPosition(dst []byte, p todoke.Position, subscription uint32) []byte {
	dst = append(dst, `{"position":"`...)
	dst = appendPosition(dst, p)
	dst = append(dst, '"')
	if subscription != 0 {
		dst = append(dst, `,"subscription":`...)
		dst = appendUint(dst, subscription)
	}
	return append(dst, '}')
}

// AppendReconnect appends {"reconnect":{"after":"2.140s"}}, with which a node that stops sends its readers elsewhere.
func AppendReconnect(dst []byte, after time.Duration) []byte {
	dst = append(dst, `{"reconnect":{"after":"`...)
	dst = appendSeconds(dst, after)
	return append(dst, `"}}`...)
}
