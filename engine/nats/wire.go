package nats

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/todoke-dev/todoke"
)

// Headers of NATS that the engine writes or reads.
const (
	headerMeta     = "Todoke" // ours: what of a message is not its data
	headerMsgID    = "Nats-Msg-Id"
	headerBatchID  = "Nats-Batch-Id"
	headerBatchSeq = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"

	headerExpectLastSeq     = "Nats-Expected-Last-Sequence"
	headerExpectSubjectSeq  = "Nats-Expected-Last-Subject-Sequence"
	headerExpectLastMsgID   = "Nats-Expected-Last-Msg-Id"
	headerExpectStream      = "Nats-Expected-Stream"
	headerSubject           = "Nats-Subject"
	headerSequence          = "Nats-Sequence"
	headerTimeStamp         = "Nats-Time-Stamp"
	headerPending           = "Nats-Num-Pending"
	headerUpTo              = "Nats-UpTo-Sequence"
	headerConsumerStalled   = "Nats-Consumer-Stalled"
	headerStatus            = "Status"
	headerDescription       = "Description"
	headerLastConsumer      = "Nats-Last-Consumer"
	statusControl           = "100"
	statusEnd               = "204"
	statusNotFound          = "404"
	statusNoResponders      = "503"
	descriptionFlowControl  = "FlowControl Request"
	headersOfNothing        = 128 // bytes that NATS's own headers of a message take at most, beside ours
	mostHeaderBytesOfServer = 1<<16 - 1
)

// A meta is what a message has beside its data, as JSON in one header: names in NATS headers could not keep all that ours may hold.
type meta struct {
	Type    string            `json:"t,omitempty"` // "": text/plain
	Event   string            `json:"e,omitempty"`
	Key     string            `json:"k,omitempty"`
	Headers map[string]string `json:"h,omitempty"`
	TTL     time.Duration     `json:"l,omitempty"` // nanoseconds
}

// encode makes the NATS message of m. The data are shared.
func (e *Engine) encode(m *todoke.Message) (*nats.Msg, error) {
	out := &nats.Msg{Subject: subjectOf(e.o.Prefix, m.Channel), Data: m.Data}
	if m.Type != todoke.TypeText || m.Event != "" || m.Key != "" || len(m.Headers) > 0 || m.TTL != 0 {
		// Not a meta of the loop's own: it would escape to the heap for plain messages too.
		text, err := json.Marshal(&meta{Type: m.Type, Event: m.Event, Key: m.Key, Headers: m.Headers, TTL: m.TTL})
		if err != nil {
			return nil, err
		}
		out.Header = nats.Header{headerMeta: {string(text)}}
	}
	if m.IdempotencyKey != "" && e.o.IdempotencyWindow > 0 {
		setHeader(out, headerMsgID, messageID(m.Channel, m.IdempotencyKey))
	}
	return out, nil
}

// messageID joins channel and key. The key is coded, for NATS cuts blanks off a header's ends; '/' is in no channel.
func messageID(channel, key string) string {
	return channel + "/" + base64.RawURLEncoding.EncodeToString([]byte(key))
}

func setHeader(m *nats.Msg, name, value string) {
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	m.Header[name] = []string{value}
}

// get returns a header by its exact name.
func get(h nats.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// decode makes the message that encode was given. What somebody else put there, without a header of ours that can be read,
// is plain text.
func decode(channel string, header nats.Header, data []byte, at todoke.Position, t time.Time) *todoke.Message {
	m := &todoke.Message{Channel: channel, Data: data, Type: todoke.TypeText, Position: at, Time: t}
	text := get(header, headerMeta)
	if text == "" {
		return m
	}
	var parts meta
	if json.Unmarshal([]byte(text), &parts) != nil {
		return m
	}
	if parts.Type != "" {
		m.Type = parts.Type
	}
	m.Event, m.Key, m.Headers, m.TTL = parts.Event, parts.Key, parts.Headers, max(parts.TTL, 0)
	return m
}

// wireSize is about what a message takes of the server's limit; the headers are written out as name: value.
func wireSize(m *nats.Msg) (total, headers int) {
	for name, values := range m.Header {
		for _, value := range values {
			headers += len(name) + len(value) + 4
		}
	}
	headers += headersOfNothing
	return headers + len(m.Data), headers
}
