package client

import (
	"encoding/base64"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// appendEnvelope appends the envelope of /v1/publish and of a session's publish. JSON data goes as it is, so
// it must be valid; text as a string; the rest as base64.
func appendEnvelope(dst []byte, m *todoke.Message) []byte {
	dst = append(dst, `{"channel":`...)
	dst = frame.AppendString(dst, m.Channel)
	typ := m.Type
	if typ == "" {
		typ = todoke.TypeText
	}
	dst = appendField(dst, "type", typ)
	dst = appendField(dst, "event", m.Event)
	dst = appendField(dst, "key", m.Key)
	dst = appendField(dst, "idempotency_key", m.IdempotencyKey)
	if m.TTL != 0 {
		dst = appendField(dst, "ttl", m.TTL.String())
	}
	if len(m.Headers) > 0 {
		dst = append(dst, `,"headers":{`...)
		for i, name := range slices.Sorted(maps.Keys(m.Headers)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = frame.AppendString(dst, name)
			dst = append(dst, ':')
			dst = frame.AppendString(dst, m.Headers[name])
		}
		dst = append(dst, '}')
	}
	return append(appendData(dst, m, typ), '}')
}

func appendData(dst []byte, m *todoke.Message, typ string) []byte {
	typed := todoke.Message{Type: typ, Data: m.Data}
	switch {
	case typed.IsJSON() && utf8.Valid(m.Data):
		return append(append(dst, `,"data":`...), m.Data...)
	case typed.IsText():
		return frame.AppendString(append(dst, `,"data":`...), m.Text())
	}
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, m.Data)
	return append(dst, '"')
}

// appendField appends a name of our own and a value, unless it is empty.
func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return frame.AppendString(dst, value)
}
