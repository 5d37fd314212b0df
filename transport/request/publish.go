package request

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
)

// headerPrefix begins the headers that become headers of the message.
const headerPrefix = "Todoke-Header-"

// ParsePublish reads a message from r's headers and body, of which it takes at most limit bytes; beyond, the
// error has CodeTooLarge. What every message must keep (lengths, control characters, valid JSON) the hub checks; its
// errors become errors about headers with [NameHeader].
func ParsePublish(w http.ResponseWriter, r *http.Request, channel string, limit int) (todoke.Message, error) {
	if err := todoke.ValidateChannel(channel); err != nil {
		return todoke.Message{}, err
	}
	m := todoke.Message{Channel: channel}
	if err := setFields(&m, r.Header); err != nil {
		return todoke.Message{}, err
	}
	data, err := ReadBody(w, r, limit)
	if err != nil {
		return todoke.Message{}, err
	}
	m.Data = data
	return m, checkUTF8(&m)
}

func setFields(m *todoke.Message, h http.Header) (err error) {
	if m.Type, err = messageType(h); err != nil {
		return err
	}
	if m.Event, err = header(h, "Todoke-Event"); err != nil {
		return err
	}
	if m.Key, err = header(h, "Todoke-Key"); err != nil {
		return err
	}
	if m.TTL, err = headerTTL(h); err != nil {
		return err
	}
	if m.IdempotencyKey, err = idempotencyKey(h); err != nil {
		return err
	}
	m.Headers, err = messageHeaders(h)
	return err
}

// messageType keeps the type as it came. curl -d says application/x-www-form-urlencoded whatever it sends, so that means
// nothing.
func messageType(h http.Header) (string, error) {
	text, err := header(h, "Content-Type")
	if err != nil || text == "" {
		return todoke.TypeText, err
	}
	base, _, err := mime.ParseMediaType(text)
	switch {
	case err != nil || !strings.Contains(base, "/"):
		return "", badMessage("Content-Type", "%q is not a media type like text/plain", clip(text))
	case base == "application/x-www-form-urlencoded":
		return todoke.TypeText, nil
	default:
		return text, nil
	}
}

func headerTTL(h http.Header) (time.Duration, error) {
	text, err := header(h, "Todoke-TTL")
	if err != nil || text == "" {
		return 0, err
	}
	return parseTTL("Todoke-TTL", text)
}

func parseTTL(field, text string) (time.Duration, error) {
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl <= 0 {
		return 0, badMessage(field, "%q is not a duration of more than 0, like 30s", clip(text))
	}
	return ttl, nil
}

// idempotencyKey reads the key bare, as most clients write it, or as a string of RFC 8941 §3.3.3, as the header's draft
// standard (draft-ietf-httpapi-idempotency-key-header) has it. Both are the same key.
func idempotencyKey(h http.Header) (string, error) {
	const name = "Idempotency-Key"
	text, err := header(h, name)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(text, `"`) {
		if text, err = unquote(text); err != nil {
			return "", badMessage(name, "it begins with a quote and is no quoted string: %s", err)
		}
	}
	if text == "" && len(h.Values(name)) > 0 {
		return "", badMessage(name, "it is empty; write 1 to %d bytes, or leave it out", todoke.MaxNameBytes)
	}
	return text, nil
}

var (
	errNoEnd     = errors.New("the closing quote is missing")
	errBadEscape = errors.New(`only \" and \\ are escapes`)
	errAfterEnd  = errors.New("something follows the closing quote")
)

func unquote(text string) (string, error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			if i != len(text)-1 {
				return "", errAfterEnd
			}
			return b.String(), nil
		case '\\':
			i++
			if i == len(text) {
				return "", errNoEnd
			}
			if text[i] != '"' && text[i] != '\\' {
				return "", errBadEscape
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", errNoEnd
}

func messageHeaders(h http.Header) (headers map[string]string, err error) {
	for name, values := range h {
		rest, found := strings.CutPrefix(name, headerPrefix) // net/http has made the names canonical
		if !found {
			continue
		}
		if rest == "" {
			return nil, badMessage(name, "a name must follow, as in %sTrace", headerPrefix)
		}
		if len(headers) == todoke.MaxHeaders {
			return nil, badMessage(headerPrefix+"*", "more than %d headers", todoke.MaxHeaders)
		}
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[strings.ToLower(rest)] = strings.Join(values, ", ") // RFC 9110 §5.3
	}
	return headers, nil
}

// header returns the value of a header that may stand once, or "".
func header(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", badMessage(name, "it is given %d times; give it once", len(values))
	}
}

// ReadBody reads the whole body, at most limit bytes. A body that is longer, or says so beforehand, gets an error with
// CodeTooLarge; one that is compressed, CodeUnsupportedType.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, &todoke.Error{
			Code: todoke.CodeUnsupportedType, Field: "Content-Encoding", Hint: "send the body without a content encoding",
		}
	}
	if r.ContentLength > int64(limit) {
		return nil, bodyTooLarge(limit, nil)
	}
	body := http.MaxBytesReader(w, r.Body, int64(limit))
	data, err := readAll(body, r.ContentLength)
	if err == nil {
		return data, nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, bodyTooLarge(limit, err)
	}
	return nil, &todoke.Error{
		Code: todoke.CodeInvalidMessage, Field: "data", Hint: "the body ended before it was complete", Err: fmt.Errorf("read the body: %w", err),
	}
}

// trusted is how much room a request gets for its announcement alone.
const trusted = 64 << 10

// readAll reads a body of the announced size, which was checked, into a slice of exactly that size, for the hub keeps
// it. A large one gets its room only once it has begun to come. -1: not announced.
func readAll(body io.Reader, size int64) ([]byte, error) {
	if size < 0 {
		return io.ReadAll(body)
	}
	data := make([]byte, min(size, trusted))
	n, err := io.ReadFull(body, data)
	if err != nil || int64(n) == size {
		return data, err
	}
	data = append(make([]byte, 0, size), data...)[:size]
	_, err = io.ReadFull(body, data[n:])
	return data, err
}

func bodyTooLarge(limit int, cause error) error {
	return &todoke.Error{
		Code: todoke.CodeTooLarge, Field: "data", Err: cause, Hint: fmt.Sprintf("the body has more than %d bytes, which is the most allowed here", limit),
	}
}

// checkUTF8 refuses what a JSON document may not hold (RFC 8259 §8.1), and what json.Valid lets pass.
func checkUTF8(m *todoke.Message) error {
	if m.IsJSON() && !utf8.Valid(m.Data) {
		return &todoke.Error{Code: todoke.CodeInvalidJSON, Field: "data", Hint: "the type is " + clip(m.Type) + " and the data is not UTF-8"}
	}
	return nil
}

// NameHeader makes an error about a field of a message that came by ParsePublish one about the header it came in.
func NameHeader(err error) error {
	headers := map[string]string{
		"type": "Content-Type", "event": "Todoke-Event", "key": "Todoke-Key", "ttl": "Todoke-TTL",
		"headers": headerPrefix + "*", "idempotency_key": "Idempotency-Key",
	}
	if name := headers[todoke.AsError(err).Field]; name != "" {
		return renamed(err, name)
	}
	return err
}
