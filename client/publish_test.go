package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

const publishedText = `{"id":"k-7","channel":"a","time":"2026-11-23T19:01:43.5Z","duplicate":false}`

func TestPublishRepeatsItselfWithOneKey(t *testing.T) {
	f := newFake(t, cut, refuse(500, todoke.CodeInternal), refuse(429, todoke.CodeRateLimited), refuse(503, todoke.CodeUnknown), answerJSON(publishedText))
	p, err := newClient(t, f.URL, quick()).Publish(soon(t), todoke.Message{Channel: "a", Data: []byte("x")})
	if err != nil || p.Position.String() != "k-7" || p.Channel != "a" || p.Time.IsZero() {
		t.Fatalf("%+v, %v", p, err)
	}
	first := f.requests()[0].Header.Get("Idempotency-Key")
	for _, r := range f.requests() {
		if got := r.Header.Get("Idempotency-Key"); got != first || len(got) < 20 {
			t.Errorf("the keys differ: %q and %q", first, got)
		}
	}
}

func TestPublishDoesNotRepeatWhatIsRefused(t *testing.T) {
	f := newFake(t, refuse(413, todoke.CodeTooLarge))
	_, err := newClient(t, f.URL, quick()).Publish(soon(t), todoke.Message{Channel: "a"})
	if !errors.Is(err, todoke.CodeTooLarge) {
		t.Error(err)
	}
}

func TestPublishSaysWhatIsKnownWhenItGivesUp(t *testing.T) {
	o := quick()
	o.RetryFor = 20 * time.Millisecond
	many := func(h http.HandlerFunc) (all []http.HandlerFunc) {
		for range 200 {
			all = append(all, h)
		}
		return all
	}
	for _, tt := range []struct {
		name, url string
		want      todoke.Code
	}{
		{"never reached", "http://127.0.0.1:1", todoke.CodeUnavailable},
		{"always refused", newFake(t, many(refuse(503, todoke.CodeRestarting))...).URL, todoke.CodeRestarting},
		{"cut on the way", newFake(t, many(cut)...).URL, todoke.CodeUnknown},
	} {
		_, err := newClient(t, tt.url, o).Publish(soon(t), todoke.Message{Channel: "a"})
		if e := todoke.AsError(err); e == nil || e.Code != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// What is published arrives as it was, by headers or, where these would change it, by the envelope.
func TestPublishSendsEverything(t *testing.T) {
	base := todoke.Message{Channel: "a", Data: []byte("x"), IdempotencyKey: "key-1"}
	for name, tt := range map[string]struct {
		change   func(*todoke.Message)
		envelope string // the body; "": by headers
		header   map[string]string
	}{
		"plain": {func(*todoke.Message) {}, "", map[string]string{"Idempotency-Key": "key-1"}},
		"all headers": {func(m *todoke.Message) {
			m.Type, m.Event, m.Key, m.TTL, m.Headers = "application/json", "said", "k 1", 90*time.Second, map[string]string{"trace": "abc"}
			m.Data = []byte("{ }")
		}, "", map[string]string{"Content-Type": "application/json", "Todoke-Event": "said", "Todoke-Key": "k 1", "Todoke-Ttl": "1m30s", "Todoke-Header-Trace": "abc"}},
		"an event in Japanese": {func(m *todoke.Message) { m.Event = "届け" },
			`{"channel":"a","type":"text/plain","event":"届け","idempotency_key":"key-1","data":"x"}`, nil},
		"a key with a blank at its end": {func(m *todoke.Message) { m.Key = "k " },
			`{"channel":"a","type":"text/plain","key":"k ","idempotency_key":"key-1","data":"x"}`, nil},
		"a header in capitals": {func(m *todoke.Message) { m.Headers = map[string]string{"Trace": "1"}; m.TTL = time.Second },
			`{"channel":"a","type":"text/plain","idempotency_key":"key-1","ttl":"1s","headers":{"Trace":"1"},"data":"x"}`, nil},
		"a form": {func(m *todoke.Message) { m.Type = "application/x-www-form-urlencoded" },
			`{"channel":"a","type":"application/x-www-form-urlencoded","idempotency_key":"key-1","data_base64":"eA=="}`, nil},
		"JSON with a Japanese key": {func(m *todoke.Message) { m.Type, m.Key, m.Data = "application/json", "鍵", []byte(`{"a": 1.0}`) },
			`{"channel":"a","type":"application/json","key":"鍵","idempotency_key":"key-1","data":{"a": 1.0}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var body string
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				all, _ := io.ReadAll(r.Body)
				body = string(all)
				answerJSON(publishedText)(w, r)
			})
			m := base
			tt.change(&m)
			if _, err := newClient(t, f.URL, quick()).Publish(soon(t), m); err != nil {
				t.Fatal(err)
			}
			r := f.requests()[0]
			if tt.envelope == "" && (body != string(m.Data) || r.URL.Path != "/v1/channels/a/messages") {
				t.Errorf("%s %q", r.URL.Path, body)
			}
			if tt.envelope != "" && (body != tt.envelope || r.URL.Path != "/v1/publish" || !json.Valid([]byte(body))) {
				t.Errorf("%s\n%s\nwant\n%s", r.URL.Path, body, tt.envelope)
			}
			for name, value := range tt.header {
				if got := r.Header.Get(name); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestPublishRefusesWhatWouldBreakTheRequest(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1", quick())
	for want, m := range map[todoke.Code]todoke.Message{
		todoke.CodeInvalidChannel: {Channel: "a/../b"},
		todoke.CodeInvalidJSON:    {Channel: "a", Type: "application/json", Data: []byte(`1},{"channel":"b"`)},
	} {
		if _, err := c.Publish(t.Context(), m); !errors.Is(err, want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := c.PublishBatch(t.Context(), []todoke.Message{m}); !errors.Is(err, want) {
			t.Errorf("batch: %v, want %s", err, want)
		}
	}
}

func TestPublishBatch(t *testing.T) {
	f := newFake(t, cut, answerJSON(`{"results":[`+publishedText+`,`+strings.Replace(publishedText, "k-7", "k-8", 1)+`]}`))
	batch := []todoke.Message{{Channel: "a", Data: []byte("1")}, {Channel: "b", Data: []byte{0xff}}}
	got, err := newClient(t, f.URL, quick()).PublishBatch(soon(t), batch)
	if err != nil || len(got) != 2 || got[1].Position.String() != "k-8" {
		t.Fatalf("%v, %v", got, err)
	}
	if batch[0].IdempotencyKey != "" {
		t.Error("the caller's messages were changed")
	}
	if _, err := newClient(t, f.URL, quick()).PublishBatch(soon(t), make([]todoke.Message, todoke.MaxBatch+1)); !errors.Is(err, todoke.CodeInvalidParameter) {
		t.Error(err)
	}
}

func TestAnAnswerThatIsNoneIsAnError(t *testing.T) {
	for _, text := range []string{"", "<html>", "{}", `{"id":"nonsense"}`, strings.Repeat("x", 1<<20)} {
		f := newFake(t, answerJSON(text))
		if p, err := newClient(t, f.URL, quick()).Publish(soon(t), todoke.Message{Channel: "a"}); err == nil {
			t.Errorf("%.20q was taken for %v", text, p)
		}
	}
}

func TestTheTokenIsSent(t *testing.T) {
	o := quick()
	o.Token = "secret"
	f := newFake(t, answerJSON(publishedText), events("id: k-1\n\n", true), refuse(403, todoke.CodeForbidden))
	c := newClient(t, f.URL, o)
	c.Publish(soon(t), todoke.Message{Channel: "a"})
	subscribe(t, f, o, client.TransportSSE, todoke.Now())
	c.Connect(soon(t))
	for _, r := range f.requests() {
		if r.Header.Get("Authorization") != "Bearer secret" || strings.Contains(r.URL.String(), "secret") {
			t.Errorf("%s: %v", r.URL, r.Header)
		}
	}
}
