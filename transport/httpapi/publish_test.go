package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

func TestPublishHeaders(t *testing.T) {
	everyProtocol(t, todoke.Options{}, httpapi.Options{}, func(w world) {
		a := w.do("POST", "/v1/channels/chat:42/messages", `{"text": "hello"}`, "Content-Type", "application/json", "Todoke-Event", "said",
			"Todoke-Key", "m1", "Todoke-TTL", "30s", "Todoke-Header-Trace", "abc", "Idempotency-Key", "u1")
		p := decode[frame.Published](w, a)
		if p.ID != w.hub.Head() || p.Channel != "chat:42" || p.Duplicate || time.Since(p.Time).Abs() > time.Minute || a.Header.Get("Cache-Control") != "no-store" {
			w.Errorf("%s %v", a.body, a.Header)
		}
		m := w.newest("chat:42")
		if string(m.Data) != `{"text": "hello"}` || m.Type != "application/json" || m.Event != "said" || m.Key != "m1" || m.TTL != 30*time.Second || m.Headers["trace"] != "abc" {
			w.Errorf("%+v", m)
		}
		again := decode[frame.Published](w, w.do("POST", "/v1/channels/chat:42/messages", "anything", "Idempotency-Key", `"u1"`))
		if !again.Duplicate || again.ID != p.ID || !again.Time.Equal(p.Time) || w.hub.Head() != p.ID {
			w.Errorf("the same key, quoted: %+v after %+v", again, p)
		}
		decode[frame.Published](w, w.do("POST", "/v1/channels/a%3Ab%40c/messages", "x", "Content-Type", "application/x-www-form-urlencoded"))
		if m := w.newest("a:b@c"); m.Type != "text/plain" || m.Text() != "x" {
			w.Errorf("%+v", m)
		}
	})
}

func TestPublishEnvelopes(t *testing.T) {
	everyProtocol(t, todoke.Options{}, httpapi.Options{}, func(w world) {
		post := func(body string) answer {
			return w.do("POST", "/v1/publish", body, "Content-Type", "application/json; charset=utf-8")
		}
		one := decode[frame.Published](w, post(`{"channel":"chat:42","data":{"text": 1.0},"event":"said","key":"m1","headers":{"trace":"abc"},"ttl":"30s","idempotency_key":"a1"}`))
		if m := w.newest("chat:42"); one.ID != m.Position || string(m.Data) != `{"text": 1.0}` || m.Type != "application/json" || m.Event != "said" {
			w.Errorf("%+v", m)
		}
		type results struct{ Results []frame.Published }
		two := decode[results](w, post(`{"channels":["a","b"],"data":"to both"}`)).Results
		if len(two) != 2 || two[0].Channel != "a" || two[1].Channel != "b" || w.newest("b").Text() != "to both" {
			w.Errorf("%+v", two)
		}
		batch := decode[results](w, post(`{"messages":[{"channel":"a","data":"one"},{"channel":"b","data_base64":"AAE="}]}`)).Results
		if len(batch) != 2 || w.newest("b").Type != "application/octet-stream" || string(w.newest("b").Data) != "\x00\x01" {
			w.Errorf("%+v", batch)
		}
		head := w.hub.Head()
		w.refused(post(`{"messages":[{"channel":"a","data":"one"},{"channel":"b","data":"x","event":"todoke.x"}]}`), 400, todoke.CodeInvalidMessage, "messages[1].event")
		w.refused(post(`{"channel":"a","data":1,"colour":"red"}`), 400, todoke.CodeInvalidMessage, "colour")
		w.refused(post(`{"channel":"a"`), 400, todoke.CodeInvalidJSON, "")
		many := strings.Repeat(`{"channel":"a","data":1},`, 1001)
		w.refused(post(`{"messages":[`+many[:len(many)-1]+`]}`), 413, todoke.CodeTooLarge, "messages")
		w.refused(w.do("POST", "/v1/publish", `{}`), 415, todoke.CodeUnsupportedType, "Content-Type")
		if w.hub.Head() != head {
			w.Error("what was refused has changed something")
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	options := todoke.Options{
		Namespaces: map[string]todoke.Namespace{"small": {MaxMessageBytes: 10}},
		Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
			if a.Channel == "secret" {
				return &todoke.Error{Code: todoke.CodeForbidden, Field: "channel", Hint: "not for you"}
			}
			return nil
		}),
	}
	everyProtocol(t, options, httpapi.Options{MaxEnvelopeBytes: 1000}, func(w world) {
		for _, test := range []struct {
			path, body string
			headers    []string
			status     int
			code       todoke.Code
			field      string
		}{
			{"/v1/channels/a::b/messages", "", nil, 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/channels/a%2Fb/messages", "", nil, 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/channels/a%20b/messages", "", nil, 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/channels//messages", "", nil, 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/channels/a:*/messages", "", nil, 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/channels/secret/messages", "", nil, 403, todoke.CodeForbidden, "channel"},
			{"/v1/channels/a/messages", "{", []string{"Content-Type", "application/json"}, 400, todoke.CodeInvalidJSON, "data"},
			{"/v1/channels/a/messages", "", []string{"Todoke-Event", "todoke.x"}, 400, todoke.CodeInvalidMessage, "Todoke-Event"},
			{"/v1/channels/a/messages", "", []string{"Todoke-Key", strings.Repeat("k", 256)}, 400, todoke.CodeInvalidMessage, "Todoke-Key"},
			{"/v1/channels/a/messages", "", []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, todoke.CodeInvalidMessage, "Idempotency-Key"},
			{"/v1/channels/a/messages", "", []string{"Todoke-Header-A", strings.Repeat("k", 4096)}, 400, todoke.CodeInvalidMessage, "Todoke-Header-*"},
			{"/v1/channels/a/messages", "", []string{"Todoke-TTL", "soon"}, 400, todoke.CodeInvalidMessage, "Todoke-TTL"},
			{"/v1/channels/a/messages", "", []string{"Content-Encoding", "gzip"}, 415, todoke.CodeUnsupportedType, "Content-Encoding"},
			{"/v1/channels/a/messages", "", []string{"Accept", "text/html"}, 406, todoke.CodeNotAcceptable, "Accept"},
			{"/v1/channels/a/messages", strings.Repeat("x", 1<<20+1), nil, 413, todoke.CodeTooLarge, "data"},
			{"/v1/channels/small:a/messages", strings.Repeat("x", 11), nil, 413, todoke.CodeTooLarge, "data"},
			{"/v1/publish", strings.Repeat(" ", 1001), []string{"Content-Type", "application/json"}, 413, todoke.CodeTooLarge, "data"},
			{"/v1/publish", `{"channel":"secret","data":1}`, []string{"Content-Type", "application/json"}, 403, todoke.CodeForbidden, "channel"},
			{"/v1/publish", `{"channels":["a","secret"],"data":1}`, []string{"Content-Type", "application/json"}, 403, todoke.CodeForbidden, "channel"},
			{"/v1/publish", `{"channel":"small:a","data":"12345678901"}`, []string{"Content-Type", "application/json"}, 413, todoke.CodeTooLarge, "data"},
		} {
			w.refused(w.do("POST", test.path, test.body, test.headers...), test.status, test.code, test.field)
		}
		if w.hub.Head().Offset != 0 {
			w.Error("what was refused has changed something")
		}
		decode[frame.Published](w, w.do("POST", "/v1/channels/a/messages", strings.Repeat("x", 1<<20)))
	})
}

func TestSlowBodiesAreCut(t *testing.T) {
	w := newWorld(t, "HTTP/1.1", todoke.Options{}, httpapi.Options{BodyTimeout: 50 * time.Millisecond})
	body, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = writer.Write([]byte("x")) }()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/channels/a/messages", body)
	res, err := w.client.Do(r)
	if err != nil {
		return // the connection was closed, which is as good
	}
	defer res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
}
