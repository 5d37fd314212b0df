package request

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// ParseEnvelope reads what /v1/publish and a session's publish take: one message for one channel (single is true),
// one for several channels, or {"messages":[…]}, at most limit messages in all. The bytes of a JSON value in data
// are kept as they came. Errors are about the document's form, and name the field ("messages[2].data"); what the hub
// checks (lengths, reserved names …) is not checked here.
func ParseEnvelope(body []byte, limit int) (messages []todoke.Message, single bool, err error) {
	if !utf8.Valid(body) { // json would put U+FFFD in place of what it cannot read
		return nil, false, &todoke.Error{Code: todoke.CodeInvalidJSON, Hint: "the document is not UTF-8 (RFC 8259 §8.1)"}
	}
	fields := new(object)
	if err := fields.parse(body); err != nil {
		return nil, false, err
	}
	if batch, found := fields.take("messages"); found {
		if err := fields.rest("messages stands alone; put the rest into each message"); err != nil {
			return nil, false, err
		}
		messages, err = parseBatch(batch, limit)
		return messages, false, err
	}
	return parseOne(fields, limit)
}

// parseOne reads an envelope for one or several channels.
func parseOne(fields *object, limit int) ([]todoke.Message, bool, error) {
	list, several := fields.take("channels")
	m, err := parseMessage(fields)
	if err != nil {
		return nil, false, err
	}
	if !several {
		return []todoke.Message{m}, true, requireChannel(m)
	}
	if m.Channel != "" {
		return nil, false, badMessage("channels", "channel and channels cannot stand together; leave one out")
	}
	var channels []string
	if err := json.Unmarshal(list, &channels); err != nil || len(channels) == 0 {
		return nil, false, badMessage("channels", "it is a list of one or more channel names")
	}
	if len(channels) > limit {
		return nil, false, tooMany("channels", len(channels), limit)
	}
	messages := make([]todoke.Message, len(channels))
	for i, channel := range channels {
		messages[i] = m
		messages[i].Channel = channel
		if err := todoke.ValidateChannel(channel); err != nil {
			return nil, false, renamed(err, fmt.Sprintf("channels[%d]", i))
		}
	}
	return messages, false, nil
}

func parseBatch(list json.RawMessage, limit int) ([]todoke.Message, error) {
	items, err := parseList(list)
	if err != nil || len(items) == 0 {
		return nil, badMessage("messages", "it is a list of one or more messages")
	}
	if len(items) > limit {
		return nil, tooMany("messages", len(items), limit)
	}
	messages := make([]todoke.Message, len(items))
	for i, item := range items {
		fields := new(object)
		err := fields.parse(item)
		if err == nil {
			messages[i], err = parseMessage(fields)
		}
		if err == nil {
			err = requireChannel(messages[i])
		}
		if err != nil {
			return nil, inList(i, err)
		}
	}
	return messages, nil
}

func requireChannel(m todoke.Message) error { return todoke.ValidateChannel(m.Channel) }

// parseMessage reads the fields of one message; channel may be missing.
func parseMessage(fields *object) (m todoke.Message, err error) {
	keyed := fields.has("idempotency_key")
	for _, text := range [...]struct {
		field string
		into  *string
	}{
		{"channel", &m.Channel}, {"type", &m.Type}, {"event", &m.Event}, {"key", &m.Key}, {"idempotency_key", &m.IdempotencyKey},
	} {
		if *text.into, err = fields.text(text.field); err != nil {
			return m, err
		}
	}
	ttl, err := fields.text("ttl")
	if err != nil {
		return m, err
	}
	if ttl != "" {
		if m.TTL, err = parseTTL("ttl", ttl); err != nil {
			return m, err
		}
	}
	if m.IdempotencyKey == "" && keyed {
		return m, badMessage("idempotency_key", "it is empty; write 1 to %d bytes, or leave it out", todoke.MaxNameBytes)
	}
	if raw, found := fields.take("headers"); found {
		if m.Headers, err = parseHeaders(raw); err != nil {
			return m, err
		}
	}
	data, _ := fields.take("data")
	var encoded *string
	if fields.has("data_base64") {
		text, err := fields.text("data_base64")
		if err != nil {
			return m, err
		}
		encoded = &text
	}
	if err := fields.rest(unknownField); err != nil {
		return m, err
	}
	if m.Type, m.Data, err = frame.Payload(m.Type, data, encoded); err != nil {
		return m, err
	}
	return m, checkUTF8(&m)
}

func parseHeaders(raw json.RawMessage) (headers map[string]string, err error) {
	if err := json.Unmarshal(raw, &headers); err != nil {
		return nil, badMessage("headers", "it is an object of strings")
	}
	return headers, nil
}

var (
	messageFields = []string{"channel", "data", "data_base64", "type", "event", "key", "headers", "ttl", "idempotency_key"}
	unknownField  = "it is not known here; the fields are " + strings.Join(messageFields, ", ")
)

func tooMany(field string, n, limit int) error {
	return &todoke.Error{Code: todoke.CodeTooLarge, Field: field, Hint: fmt.Sprintf("%d are given; at most %d go into one request", n, limit)}
}

// inList says which message of a batch err is about.
func inList(i int, err error) error {
	field := todoke.AsError(err).Field
	if field != "" {
		field = "." + field
	}
	return renamed(err, fmt.Sprintf("messages[%d]%s", i, field))
}
