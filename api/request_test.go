package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
)

func TestNames(t *testing.T) {
	vectors := golden[struct {
		Channels []string `json:"channels"`
		Patterns []string `json:"patterns"`
		Invalid  []string `json:"invalid"`
	}](t, "names.json")
	for _, name := range vectors.Channels {
		if err := errors.Join(todoke.ValidateChannel(name), todoke.ValidatePattern(name)); err != nil {
			t.Errorf("channel %q: %v", name, err)
		}
	}
	for _, name := range vectors.Patterns {
		if err := todoke.ValidatePattern(name); err != nil {
			t.Errorf("pattern %q: %v", name, err)
		}
		if todoke.ValidateChannel(name) == nil {
			t.Errorf("pattern %q is taken as a channel", name)
		}
	}
	for _, name := range vectors.Invalid {
		if todoke.ValidateChannel(name) == nil || todoke.ValidatePattern(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestSince(t *testing.T) {
	type refused struct {
		Since string      `json:"since"`
		Code  todoke.Code `json:"code"`
	}
	vectors := golden[struct {
		Valid   []string  `json:"valid"`
		Invalid []refused `json:"invalid"`
	}](t, "since.json")
	for _, text := range vectors.Valid {
		since, err := todoke.ParseSince(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if again, err := todoke.ParseSince(since.String()); again != since || err != nil {
			t.Errorf("%q is written as %q, which is read as another since: %v", text, since, err)
		}
	}
	for _, v := range vectors.Invalid {
		if since, err := todoke.ParseSince(v.Since); !errors.Is(err, v.Code) {
			t.Errorf("%q is read as %s with %v, want %s", v.Since, since, err, v.Code)
		}
	}
}

// A givenPublish is what an envelope asks for: it has a TTL and an idempotency key, which readers do not get, and no position yet.
type givenPublish struct {
	Channel        string            `json:"channel"`
	Event          string            `json:"event,omitempty"`
	Key            string            `json:"key,omitempty"`
	Type           string            `json:"type"`
	Headers        map[string]string `json:"headers,omitempty"`
	TTLMS          int64             `json:"ttl_ms,omitempty"`
	IdempotencyKey string            `json:"idempotency_key,omitempty"`
	payload
}

func TestEnvelopes(t *testing.T) {
	type taken struct {
		Name     string         `json:"name"`
		Body     string         `json:"body"`
		Single   bool           `json:"single"`
		Messages []givenPublish `json:"messages"`
		// Answer is the body of the 200, from a log without messages.
		Answer string `json:"answer"`
	}
	type refused struct {
		Name  string      `json:"name"`
		Body  string      `json:"body"`
		Code  todoke.Code `json:"code"`
		Field string      `json:"field"`
	}
	vectors := golden[struct {
		Taken   []taken   `json:"taken"`
		Refused []refused `json:"refused"`
	}](t, "envelopes.json")
	for i := range vectors.Taken {
		v := &vectors.Taken[i]
		messages, single, err := request.ParseEnvelope([]byte(v.Body), todoke.MaxBatch)
		if err != nil || single != v.Single || len(messages) != len(v.Messages) {
			t.Errorf("%s: %d messages, single %t, %v", v.Name, len(messages), single, err)
			continue
		}
		for i, want := range v.Messages {
			sameMessage(t, v.Name, &messages[i], &todoke.Message{
				Channel: want.Channel, Event: want.Event, Key: want.Key, Type: want.Type, Headers: want.Headers, Data: want.bytes(t),
				TTL: time.Duration(want.TTLMS) * time.Millisecond, IdempotencyKey: want.IdempotencyKey,
			})
		}
		status, answer := postEnvelope(t, v.Body)
		same(t, v.Name, answer, &v.Answer)
		if status != http.StatusOK {
			t.Errorf("%s: status %d", v.Name, status)
		}
	}
	for _, v := range vectors.Refused {
		_, _, err := request.ParseEnvelope([]byte(v.Body), todoke.MaxBatch)
		if e := todoke.AsError(err); !errors.Is(err, v.Code) || e.Field != v.Field {
			t.Errorf("%s: %v, want %s at %q", v.Name, err, v.Code, v.Field)
		}
		status, answer := postEnvelope(t, v.Body)
		var p problem.Problem
		unmarshal(t, answer, &p)
		if status != problem.Status(v.Code) || p.Code != v.Code || p.Field != v.Field {
			t.Errorf("%s: the answer is %d %s", v.Name, status, answer)
		}
	}
}

// postEnvelope posts body to /v1/publish of a server whose log is empty.
func postEnvelope(t *testing.T, body string) (status int, answer string) {
	t.Helper()
	hub := newHub(t, todoke.Options{Authorizer: todoke.AllowAll})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/publish", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	httpapi.New(hub, httpapi.Options{}).ServeHTTP(w, r)
	return w.Code, settle(w.Body.String(), hub)
}
