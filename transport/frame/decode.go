package frame

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/jsonscan"
)

// A Message is the message object as encoding/json reads and writes it; [Message.Decode] makes a message of it.
// Readers ignore fields they do not know: the wire grows.
type Message struct {
	ID      todoke.Position   `json:"id,omitzero"`
	Channel string            `json:"channel"`
	Event   string            `json:"event,omitempty"`
	Key     string            `json:"key,omitempty"`
	Type    string            `json:"type,omitempty"`
	Time    time.Time         `json:"time,omitzero"`
	Headers map[string]string `json:"headers,omitempty"`
	// Data and Base64 are the payload; one of them stands.
	Data   json.RawMessage `json:"data,omitempty"`
	Base64 *string         `json:"data_base64,omitempty"`
}

// Decode returns the message with the Type and Data it was published with. The error is a *todoke.Error with
// CodeInvalidMessage that names the field.
func (m Message) Decode() (*todoke.Message, error) {
	mediaType, data, err := Payload(m.Type, m.Data, m.Base64)
	if err != nil {
		return nil, err
	}
	return &todoke.Message{
		Channel: m.Channel, Data: data, Type: mediaType, Event: m.Event, Key: m.Key, Headers: m.Headers,
		Position: m.ID, Time: m.Time,
	}, nil
}

// Payload is the rule that makes a type and bytes of the fields type, data and data_base64, in messages and in what is
// published. data is a JSON value or empty, base64Text nil where the field is missing.
//
// With a JSON type the value's own bytes are the data; with any other type data must be a string, and its text
// is the data. Without a type a string is text/plain, any other value application/json, and data_base64
// application/octet-stream. Either field must stand, and not both: the error is a *todoke.Error with CodeInvalidMessage.
func Payload(mediaType string, data json.RawMessage, base64Text *string) (string, []byte, error) {
	switch {
	case len(data) > 0 && base64Text != nil:
		return "", nil, invalid("data_base64", "data and data_base64 cannot stand together; leave one out", nil)
	case base64Text != nil:
		if mediaType == "" {
			mediaType = "application/octet-stream"
		}
		// Strict: two texts that differ only in bits nobody reads would otherwise be the same data (RFC 4648 §3.5).
		raw, err := base64.StdEncoding.Strict().DecodeString(*base64Text)
		if err != nil {
			return "", nil, invalid("data_base64", "it is not base64 of the standard alphabet with padding", err)
		}
		return mediaType, raw, nil
	case len(data) == 0:
		return "", nil, invalid("data", `it is missing; an empty message has "data":""`, nil)
	}
	return jsonPayload(mediaType, data)
}

func jsonPayload(mediaType string, data json.RawMessage) (string, []byte, error) {
	isString := data[0] == '"'
	switch {
	case mediaType == "" && isString:
		mediaType = todoke.TypeText
	case mediaType == "":
		return "application/json", bytes.Clone(data), nil
	}
	if (&todoke.Message{Type: mediaType}).IsJSON() {
		return mediaType, bytes.Clone(data), nil
	}
	if !isString {
		return "", nil, invalid("data", "the type is "+clip(mediaType)+", so the data is a string, or stands in data_base64", nil)
	}
	if plain, ok := jsonscan.String(data); ok && utf8.Valid(plain) {
		return mediaType, bytes.Clone(plain), nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return "", nil, invalid("data", "it is not a JSON string", err)
	}
	return mediaType, []byte(text), nil
}

// A Gap is the gap object as encoding/json reads and writes it.
type Gap struct {
	Channel  string          `json:"channel"`
	From     todoke.Position `json:"from"`
	To       todoke.Position `json:"to"`
	Possible bool            `json:"possible,omitempty"`
}

// Decode returns the gap.
func (g Gap) Decode() todoke.Gap { return todoke.Gap(g) }

// A Published is what a publish answers, as encoding/json reads and writes it.
type Published struct {
	ID        todoke.Position `json:"id"`
	Channel   string          `json:"channel"`
	Time      time.Time       `json:"time"`
	Duplicate bool            `json:"duplicate"`
}

// Decode returns what was published.
func (p Published) Decode() todoke.Published {
	return todoke.Published{Position: p.ID, Channel: p.Channel, Time: p.Time, Duplicate: p.Duplicate}
}

// A Page is what a poll answers, as encoding/json reads and writes it.
type Page struct {
	Messages []Message       `json:"messages"`
	Position todoke.Position `json:"position"`
	More     bool            `json:"more"`
	// Gap is the first gap; Gaps has them all where there are several.
	Gap  *Gap  `json:"gap,omitempty"`
	Gaps []Gap `json:"gaps,omitempty"`
}

// AllGaps returns the page's gaps, however many there are.
func (p Page) AllGaps() []Gap {
	if len(p.Gaps) == 0 && p.Gap != nil {
		return []Gap{*p.Gap}
	}
	return p.Gaps
}

func invalid(field, hint string, cause error) error {
	if cause != nil {
		cause = errors.Join(errors.New("frame: "+field), cause)
	}
	return &todoke.Error{Code: todoke.CodeInvalidMessage, Field: field, Hint: hint, Err: cause}
}

// clip keeps what a stranger sent us short and readable before it goes back in a hint.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
