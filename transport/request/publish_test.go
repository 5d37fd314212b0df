package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/todoke-dev/todoke"
)

func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestParsePublish(t *testing.T) {
	for _, test := range []struct {
		name string
		r    *http.Request
		want todoke.Message
	}{
		{"no type", post("hello"), todoke.Message{Type: "text/plain", Data: []byte("hello")}},
		{"curl's type", post("hello", "Content-Type", "application/x-www-form-urlencoded"), todoke.Message{Type: "text/plain", Data: []byte("hello")}},
		{"curl's type with a parameter", post("", "Content-Type", "Application/X-WWW-Form-URLencoded; charset=utf-8"), todoke.Message{Type: "text/plain", Data: []byte{}}},
		{"the type is kept", post("{}", "Content-Type", "application/LD+json;v=1"), todoke.Message{Type: "application/LD+json;v=1", Data: []byte("{}")}},
		{"everything", post("{}", "Content-Type", "application/json", "Todoke-Event", "said", "Todoke-Key", "m1", "Todoke-TTL", "30s",
			"Todoke-Header-Trace-Id", "abc", "Todoke-Header-Many", "1", "Todoke-Header-Many", "2", "Idempotency-Key", "u1"),
			todoke.Message{Type: "application/json", Data: []byte("{}"), Event: "said", Key: "m1", TTL: 30 * time.Second,
				Headers: map[string]string{"trace-id": "abc", "many": "1, 2"}, IdempotencyKey: "u1"}},
		{"a quoted key", post("", "Idempotency-Key", `"u \"1\" \\"`), todoke.Message{Type: "text/plain", Data: []byte{}, IdempotencyKey: `u "1" \`}},
		{"identity is no encoding", post("x", "Content-Encoding", "identity"), todoke.Message{Type: "text/plain", Data: []byte("x")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Channel = "a"
			got, err := ParsePublish(httptest.NewRecorder(), test.r, "a", 100)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestParsePublishRefuses(t *testing.T) {
	unannounced := post(strings.Repeat("x", 101))
	unannounced.ContentLength = -1
	cut := post("xxx")
	cut.ContentLength = 5
	broken := post("")
	broken.ContentLength, broken.Body = -1, io.NopCloser(iotest.ErrReader(errors.New("reset")))
	many := post("")
	for i := range todoke.MaxHeaders + 1 {
		many.Header.Set(fmt.Sprintf("Todoke-Header-N%d", i), "x")
	}
	for _, test := range []struct {
		r     *http.Request
		code  todoke.Code
		field string
	}{
		{post(strings.Repeat("x", 101)), todoke.CodeTooLarge, "data"},
		{unannounced, todoke.CodeTooLarge, "data"},
		{cut, todoke.CodeInvalidMessage, "data"},
		{broken, todoke.CodeInvalidMessage, "data"},
		{many, todoke.CodeInvalidMessage, "Todoke-Header-*"},
		{post("", "Todoke-Header-", "x"), todoke.CodeInvalidMessage, "Todoke-Header-"},
		{post("", "Content-Encoding", "gzip"), todoke.CodeUnsupportedType, "Content-Encoding"},
		{post("", "Content-Type", "json"), todoke.CodeInvalidMessage, "Content-Type"},
		{post("", "Content-Type", "a/b;;"), todoke.CodeInvalidMessage, "Content-Type"},
		{post("\"\xff\"", "Content-Type", "application/json"), todoke.CodeInvalidJSON, "data"},
		{post("", "Todoke-TTL", "30"), todoke.CodeInvalidMessage, "Todoke-TTL"},
		{post("", "Todoke-TTL", "-1s"), todoke.CodeInvalidMessage, "Todoke-TTL"},
		{post("", "Todoke-Event", "a", "Todoke-Event", "b"), todoke.CodeInvalidMessage, "Todoke-Event"},
		{post("", "Idempotency-Key", ""), todoke.CodeInvalidMessage, "Idempotency-Key"},
		{post("", "Idempotency-Key", `""`), todoke.CodeInvalidMessage, "Idempotency-Key"},
		{post("", "Idempotency-Key", `"a`), todoke.CodeInvalidMessage, "Idempotency-Key"},
		{post("", "Idempotency-Key", `"a\`), todoke.CodeInvalidMessage, "Idempotency-Key"},
		{post("", "Idempotency-Key", `"a\n"`), todoke.CodeInvalidMessage, "Idempotency-Key"},
		{post("", "Idempotency-Key", `"a" b`), todoke.CodeInvalidMessage, "Idempotency-Key"},
	} {
		_, err := ParsePublish(httptest.NewRecorder(), test.r, "a", 100)
		if !errors.Is(err, test.code) || todoke.AsError(err).Field != test.field {
			t.Errorf("%v: %v; want %s at %s", test.r.Header, err, test.code, test.field)
		}
	}
	if _, err := ParsePublish(httptest.NewRecorder(), post(""), "a:*", 100); !errors.Is(err, todoke.CodeInvalidChannel) {
		t.Errorf("a pattern: %v", err)
	}
}

func TestNameHeader(t *testing.T) {
	err := NameHeader(&todoke.Error{Code: todoke.CodeInvalidMessage, Field: "event"})
	if todoke.AsError(err).Field != "Todoke-Event" {
		t.Error(err)
	}
	if err := NameHeader(todoke.CodeForbidden); err != error(todoke.CodeForbidden) {
		t.Error("an error about no header stays as it is")
	}
}

func TestLargeBodyFillsOneSlice(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 10_000) // more than what is trusted
	data, err := ReadBody(httptest.NewRecorder(), post(body), 1<<20)
	if err != nil || string(data) != body || cap(data)-len(data) > 8<<10 {
		t.Errorf("%d bytes in %d, %v", len(data), cap(data), err)
	}
}

func TestParseEnvelope(t *testing.T) {
	text := func(channel, data string) todoke.Message {
		return todoke.Message{Channel: channel, Type: "text/plain", Data: []byte(data)}
	}
	for _, test := range []struct {
		body   string
		single bool
		want   []todoke.Message
	}{
		{`{"channel":"chat:42","data":{"text": 1.0},"type":"application/json","event":"said","key":"m1","headers":{"trace":"abc"},"ttl":"30s","idempotency_key":"a1"}`,
			true, []todoke.Message{{Channel: "chat:42", Data: []byte(`{"text": 1.0}`), Type: "application/json", Event: "said", Key: "m1",
				Headers: map[string]string{"trace": "abc"}, TTL: 30 * time.Second, IdempotencyKey: "a1"}}},
		{`{"channels":["a","b"],"data":"to both"}`, false, []todoke.Message{text("a", "to both"), text("b", "to both")}},
		{`{"messages":[{"channel":"a","data":"one"},{"channel":"b","data_base64":"AAE="}]}`, false,
			[]todoke.Message{text("a", "one"), {Channel: "b", Type: "application/octet-stream", Data: []byte{0, 1}}}},
		{`{"channel":"a","data":null}`, true, []todoke.Message{{Channel: "a", Type: "application/json", Data: []byte("null")}}},
		{`{"channel":"a","data":"\u0000ü"}`, true, []todoke.Message{text("a", "\x00ü")}},
	} {
		got, single, err := ParseEnvelope([]byte(test.body), 2)
		if err != nil || single != test.single || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s\ngot  %+v %v %v\nwant %+v", test.body, got, single, err, test.want)
		}
	}
}

func TestParseEnvelopeRefuses(t *testing.T) {
	for _, test := range []struct {
		body  string
		code  todoke.Code
		field string
	}{
		{``, todoke.CodeInvalidJSON, ""},
		{`{"channel":"a"`, todoke.CodeInvalidJSON, ""},
		{`{"channel":"a","data":1} {}`, todoke.CodeInvalidJSON, ""},
		{"{\"channel\":\"a\",\"data\":\"\xff\"}", todoke.CodeInvalidJSON, ""},
		{`[]`, todoke.CodeInvalidMessage, ""},
		{`null`, todoke.CodeInvalidMessage, ""},
		{`{"channel":"a","data":1,"colour":"red"}`, todoke.CodeInvalidMessage, "colour"},
		{`{"Channel":"a","data":1}`, todoke.CodeInvalidMessage, "Channel"},
		{`{"channel":"a","channel":"b","data":1}`, todoke.CodeInvalidMessage, "channel"},
		{`{"channel":7,"data":1}`, todoke.CodeInvalidMessage, "channel"},
		{`{"channel":null,"data":1}`, todoke.CodeInvalidMessage, "channel"},
		{`{"data":1}`, todoke.CodeInvalidChannel, "channel"},
		{`{"channel":"a:*","data":1}`, todoke.CodeInvalidChannel, "channel"},
		{`{"channel":"a"}`, todoke.CodeInvalidMessage, "data"},
		{`{"channel":"a","data":1,"type":"text/plain"}`, todoke.CodeInvalidMessage, "data"},
		{`{"channel":"a","data":1,"data_base64":""}`, todoke.CodeInvalidMessage, "data_base64"},
		{`{"channel":"a","data_base64":"?"}`, todoke.CodeInvalidMessage, "data_base64"},
		{`{"channel":"a","data_base64":1}`, todoke.CodeInvalidMessage, "data_base64"},
		{`{"channel":"a","data_base64":"/w==","type":"application/json"}`, todoke.CodeInvalidJSON, "data"},
		{`{"channel":"a","data":1,"ttl":"5"}`, todoke.CodeInvalidMessage, "ttl"},
		{`{"channel":"a","data":1,"ttl":5}`, todoke.CodeInvalidMessage, "ttl"},
		{`{"channel":"a","data":1,"headers":{"a":1}}`, todoke.CodeInvalidMessage, "headers"},
		{`{"channel":"a","data":1,"idempotency_key":""}`, todoke.CodeInvalidMessage, "idempotency_key"},
		{`{"channel":"a","channels":["b"],"data":1}`, todoke.CodeInvalidMessage, "channels"},
		{`{"channels":[],"data":1}`, todoke.CodeInvalidMessage, "channels"},
		{`{"channels":"a","data":1}`, todoke.CodeInvalidMessage, "channels"},
		{`{"channels":["a","b:"],"data":1}`, todoke.CodeInvalidChannel, "channels[1]"},
		{`{"channels":["a","b","c"],"data":1}`, todoke.CodeTooLarge, "channels"},
		{`{"messages":[]}`, todoke.CodeInvalidMessage, "messages"},
		{`{"messages":{}}`, todoke.CodeInvalidMessage, "messages"},
		{`{"messages":[1]}`, todoke.CodeInvalidMessage, "messages[0]"},
		{`{"messages":[{"channel":"a","data":1}],"channel":"a"}`, todoke.CodeInvalidMessage, "channel"},
		{`{"messages":[{"channel":"a","data":1},{"channel":"a"}]}`, todoke.CodeInvalidMessage, "messages[1].data"},
		{`{"messages":[{"channels":["a"],"data":1}]}`, todoke.CodeInvalidMessage, "messages[0].channels"},
		{`{"messages":[{"channel":"a","data":1},{"channel":"a","data":1},{"channel":"a","data":1}]}`, todoke.CodeTooLarge, "messages"},
	} {
		_, _, err := ParseEnvelope([]byte(test.body), 2)
		if !errors.Is(err, test.code) || todoke.AsError(err).Field != test.field || todoke.AsError(err).Hint == "" {
			t.Errorf("%s: %v; want %s at %q", test.body, err, test.code, test.field)
		}
	}
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(`{"channel":"a","data":{"text": 1.0},"event":"e","headers":{"a":"b"},"ttl":"1s"}`))
	f.Add([]byte(`{"messages":[{"channel":"a","data":"one"},{"channel":"b","data_base64":"AAE="}]}`))
	f.Add([]byte(`{"channels":["a","b"],"data":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		messages, single, err := ParseEnvelope(body, 3)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			if todoke.AsError(err).Code == todoke.CodeInternal {
				t.Errorf("not one of our errors: %v", err)
			}
			return
		}
		if len(messages) == 0 || len(messages) > 3 || single && len(messages) != 1 {
			t.Errorf("%d messages, single %v", len(messages), single)
		}
		for _, m := range messages {
			if todoke.ValidateChannel(m.Channel) != nil || m.TTL < 0 || m.Type == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}

func FuzzParsePublish(f *testing.F) {
	f.Add("text/plain", "said", `"key"`, "30s", "X-Y", []byte("hello"))
	f.Fuzz(func(t *testing.T, mediaType, event, key, ttl, name string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		for header, value := range map[string]string{
			"Content-Type": mediaType, "Todoke-Event": event, "Idempotency-Key": key, "Todoke-TTL": ttl, "Todoke-Header-" + name: "v",
		} {
			r.Header.Set(header, value)
		}
		m, err := ParsePublish(httptest.NewRecorder(), r, "a", 1000)
		if err != nil {
			if e := todoke.AsError(err); e.Code == todoke.CodeInternal || e.Field == "" {
				t.Errorf("the error names no field: %v", err)
			}
			return
		}
		if !bytes.Equal(m.Data, body) || m.IdempotencyKey == "" || m.TTL < 0 || len(body) > 1000 {
			t.Errorf("%+v", m)
		}
	})
}

func BenchmarkParseEnvelope(b *testing.B) {
	body, err := json.Marshal(map[string]any{"channel": "chat:42", "data": map[string]string{"text": strings.Repeat("x", 100)}, "event": "said"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseEnvelope(body, 1); err != nil {
			b.Fatal(err)
		}
	}
}
