package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

const maxPublishedBytes = 4 << 10 // more than any answer to one publish

// Publish publishes m and returns its position. It makes further attempts after cuts, overload and server errors, for
// Options.RetryFor at most, and appends once all the same: a message without an IdempotencyKey gets a random one.
//
// An error with todoke.CodeUnknown says that the message may have been appended; to find out, repeat with an
// IdempotencyKey of your own. After any other error it was not.
func (c *Client) Publish(ctx context.Context, m todoke.Message) (todoke.Published, error) {
	if err := ready(&m); err != nil {
		return todoke.Published{}, err
	}
	q := call{method: http.MethodPost, limit: maxPublishedBytes}
	if fitsHeaders(&m) {
		q.path, q.header, q.body = "/v1/channels/"+m.Channel+"/messages", publishHeader(&m), m.Data
	} else {
		q.path, q.header, q.body = "/v1/publish", jsonHeader(), appendEnvelope(nil, &m)
	}
	a, err := c.repeat(ctx, q)
	if err != nil {
		return todoke.Published{}, err
	}
	var p frame.Published
	if err := json.Unmarshal(a.body, &p); err != nil || p.ID.IsZero() {
		return todoke.Published{}, unexpected("answer to a publish", err)
	}
	return p.Decode(), nil
}

// PublishBatch publishes up to [todoke.MaxBatch] messages, of any channels, in order; results[i] belongs to batch[i]. The server
// checks the batch as a whole first: one bad message, and nothing is appended. It repeats itself like Publish.
func (c *Client) PublishBatch(ctx context.Context, batch []todoke.Message) ([]todoke.Published, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	if len(batch) > todoke.MaxBatch {
		return nil, invalid("messages", "%d messages; at most %d go into one batch", len(batch), todoke.MaxBatch)
	}
	body := []byte(`{"messages":[`)
	for i, m := range batch { // m is a copy: the caller's message stays without our key
		if err := ready(&m); err != nil {
			return nil, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = appendEnvelope(body, &m)
	}
	body = append(body, "]}"...)
	a, err := c.repeat(ctx, call{method: http.MethodPost, path: "/v1/publish", header: jsonHeader(), body: body, limit: maxPublishedBytes * len(batch)})
	if err != nil {
		return nil, err
	}
	var answered struct {
		Results []frame.Published `json:"results"`
	}
	if err := json.Unmarshal(a.body, &answered); err != nil || len(answered.Results) != len(batch) {
		return nil, unexpected("answer to a batch", err)
	}
	results := make([]todoke.Published, len(batch))
	for i, p := range answered.Results {
		results[i] = p.Decode()
	}
	return results, nil
}

// ready fills in the idempotency key and checks what would break the request itself; the rest is the server's to check.
func ready(m *todoke.Message) error {
	if err := todoke.ValidateChannel(m.Channel); err != nil {
		return err // it stands in the path
	}
	if m.IsJSON() && !json.Valid(m.Data) {
		// It stands in the envelope as it is, and must not break out of it.
		return &todoke.Error{Code: todoke.CodeInvalidJSON, Field: "data", Hint: "the type is " + m.Type + " and the data is not valid JSON"}
	}
	if m.IdempotencyKey == "" {
		m.IdempotencyKey = rand.Text()
	}
	return nil
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

func publishHeader(m *todoke.Message) http.Header {
	h := http.Header{"Idempotency-Key": {m.IdempotencyKey}}
	for name, value := range map[string]string{"Content-Type": m.Type, "Todoke-Event": m.Event, "Todoke-Key": m.Key} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if m.TTL != 0 {
		h.Set("Todoke-TTL", m.TTL.String())
	}
	for name, value := range m.Headers {
		h.Set("Todoke-Header-"+name, value)
	}
	return h
}

// fitsHeaders reports whether everything but the data survives as HTTP headers: they carry only visible ASCII safely
// (RFC 9110 §5.5), trim blanks, and do not keep the case of names. What does not fit goes as JSON.
func fitsHeaders(m *todoke.Message) bool {
	if strings.EqualFold(m.Type, "application/x-www-form-urlencoded") {
		return false // as a header it counts as no type: it is curl's default
	}
	for _, value := range []string{m.Type, m.Event, m.Key} {
		if !plain(value) {
			return false
		}
	}
	if !plain(m.IdempotencyKey) || strings.HasPrefix(m.IdempotencyKey, `"`) {
		return false // a quoted string would lose its quotes
	}
	for name, value := range m.Headers {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || value == "" || !plain(value) {
			return false
		}
	}
	return true
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) == s
}
