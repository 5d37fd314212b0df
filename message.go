package todoke

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke/internal/jsonscan"
)

// Limits of a message's small parts. The data's limit is the namespace's.
const (
	MaxNameBytes   = 255  // of Event, Key, Type and IdempotencyKey each
	MaxHeaders     = 32   // headers of one message
	MaxHeaderBytes = 4096 // names and values of one message's headers together
)

// ReservedEventPrefix begins the event names that are todoke's own.
const ReservedEventPrefix = "todoke."

// TypeText is the type of a message that was published without one.
const TypeText = "text/plain"

// A Message is what is published and what readers get. Readers share it: it must not be changed
// after it was published, nor may Data or Headers.
type Message struct {
	// Channel is where it is published. Required.
	Channel string
	// Data is the payload; it may be empty. The hub keeps the slice, it does not copy it.
	Data []byte
	// Type is the media type of Data. Empty is TypeText. JSON is validated.
	Type string
	// Event is an optional name for what happened; SSE's event field.
	Event string
	// Key tells what the message is about; conflation goes by it.
	Key string
	// Headers are small pairs for the application.
	Headers map[string]string
	// TTL is how long the message is worth delivering. 0: as long as it is retained.
	TTL time.Duration
	// IdempotencyKey makes a repeated publish on the same channel harmless within the hub's window.
	// It is not kept with the message.
	IdempotencyKey string

	// Position and Time are given by the log when the message is appended; what a publisher puts
	// there is ignored.
	Position Position
	Time     time.Time
}

// Text returns Data as a string.
func (m *Message) Text() string { return string(m.Data) }

// IsJSON reports whether the message's type is JSON: application/json or any type ending in +json
// (RFC 6839 §3.1).
func (m *Message) IsJSON() bool { return isJSON(m.Type) }

// IsText reports whether the message's type is text/* and its data is UTF-8, so that it can be a string.
func (m *Message) IsText() bool {
	return len(m.Type) >= 5 && strings.EqualFold(m.Type[:5], "text/") && utf8.Valid(m.Data)
}

// Expired reports whether the message's TTL is over at now.
func (m *Message) Expired(now time.Time) bool { return m.TTL > 0 && now.Sub(m.Time) >= m.TTL }

// size is what the message counts for against a retention in bytes: its data, names and headers.
func (m *Message) size() int {
	n := len(m.Data) + len(m.Type) + len(m.Event) + len(m.Key)
	for name, value := range m.Headers {
		n += len(name) + len(value)
	}
	return n
}

func isJSON(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	base = strings.TrimSpace(base)
	const suffix = "+json"
	return strings.EqualFold(base, "application/json") ||
		len(base) > len(suffix) && strings.EqualFold(base[len(base)-len(suffix):], suffix)
}

// validate checks everything about a message but the size of its data, and fills in the type.
func (m *Message) validate() error {
	if err := ValidateChannel(m.Channel); err != nil {
		return err
	}
	if m.Type == "" {
		m.Type = TypeText
	}
	for _, part := range [...]struct{ field, value string }{
		{"type", m.Type}, {"event", m.Event}, {"key", m.Key}, {"idempotency_key", m.IdempotencyKey},
	} {
		if len(part.value) > MaxNameBytes {
			return errf(CodeInvalidMessage, part.field, "it has %d bytes; at most %d are allowed", len(part.value), MaxNameBytes)
		}
		if !printable(part.value) {
			return errf(CodeInvalidMessage, part.field, "it is not UTF-8, or has control characters")
		}
	}
	if strings.HasPrefix(m.Event, ReservedEventPrefix) {
		return errf(CodeInvalidMessage, "event", "names that begin with %q are the server's own", ReservedEventPrefix)
	}
	if m.TTL < 0 {
		return errf(CodeInvalidMessage, "ttl", "%s: it cannot be negative", m.TTL)
	}
	if err := validateHeaders(m.Headers); err != nil {
		return err
	}
	// RFC 8259 §8.1: JSON is UTF-8, which json.Valid does not ask for inside of strings.
	if isJSON(m.Type) && (!validJSON(m.Data) || !utf8.Valid(m.Data)) {
		return &Error{Code: CodeInvalidJSON, Field: "data", Hint: "the type is " + m.Type + " and the data is not valid JSON", Err: jsonFault(m.Data)}
	}
	return nil
}

func validJSON(data []byte) bool { return jsonscan.Valid(data) || json.Valid(data) }

func validateHeaders(headers map[string]string) error {
	if len(headers) > MaxHeaders {
		return errf(CodeInvalidMessage, "headers", "%d headers; at most %d are allowed", len(headers), MaxHeaders)
	}
	total := 0
	for name, value := range headers {
		total += len(name) + len(value)
		if name == "" || !printable(name) || !printable(value) {
			return errf(CodeInvalidMessage, "headers", "header %q: names are not empty, and neither part has control characters or bytes that are not UTF-8", name)
		}
	}
	if total > MaxHeaderBytes {
		return errf(CodeInvalidMessage, "headers", "they have %d bytes; at most %d are allowed", total, MaxHeaderBytes)
	}
	return nil
}

// printable reports whether s is UTF-8 without C0 controls and DEL, so that it can stand in one
// line of any wire (an SSE field ends at CR or LF, and an id with NUL is ignored: WHATWG HTML §9.2.6).
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

func jsonFault(data []byte) error {
	var v json.RawMessage
	return json.Unmarshal(data, &v)
}
