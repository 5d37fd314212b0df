package websocket

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
)

func TestDecodeFrameIsStrict(t *testing.T) {
	for _, c := range []struct{ frame, field string }{
		{`{"ID":1,"ping":{}}`, "ID"},
		{`{"id":1,"id":2,"ping":{}}`, "id"},
		{`{"ping":{},"ping":{}}`, "ping"},
		{`{"id":4294967296,"ping":{}}`, "id"},
		{`{"id":-1,"ping":{}}`, "id"},
		{`{"id":1.0,"ping":{}}`, "id"},
		{`{"id":"1","ping":{}}`, "id"},
		{`{"id":null,"ping":{}}`, "id"},
		{`{"id":1,"subscribe":{"channels":"a"}}`, "channels"},
		{`{"id":1,"subscribe":{"channels":[1]}}`, "channels"},
		{`{"id":1,"subscribe":{"channels":["a"],"channels":["b"]}}`, "channels"},
		{`{"id":1,"subscribe":{"channels":["a"],"since":5}}`, "since"},
		{`{"id":1,"subscribe":{"channels":["a"],"limit":5}}`, "limit"},
		{`{"id":1,"subscribe":["a"]}`, "subscribe"},
		{`{"id":1,"unsubscribe":{"channels":["a"],"since":""}}`, "since"},
		{`{"id":1,"unsubscribe":null}`, "unsubscribe"},
		{`{"id":1,"ping":{}`, ""},
		{`{"id":1,"ping":{}} x`, ""},
		{`{"id":1,}`, ""},
		{`{"id"}`, ""},
		{`null`, ""},
		{``, ""},
		{"{\"id\":1,\"ping\":{},\"\xff\":1}", ""},
		{`{"id":1,"ping":` + strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000) + `}`, ""},
	} {
		_, err := decodeFrame([]byte(c.frame))
		if !errors.Is(err, todoke.CodeInvalidFrame) || todoke.AsError(err).Field != c.field || todoke.AsError(err).Hint == "" {
			t.Errorf("%.80s: got %v, want invalid_frame in %q", c.frame, err, c.field)
		}
	}
}

func TestDecodeFrameTakesWhatJSONAllows(t *testing.T) {
	f, err := decodeFrame([]byte(" {\"subscribe\" : {\"since\":\"last=5\", \"ch\\u0061nnels\":[\"a\",\"b:*\"]},\n\"id\":7} "))
	if err != nil || f.kind != kindSubscribe || f.id != 7 || len(f.channels) != 2 || f.since != todoke.Last(5) {
		t.Errorf("got %+v, %v", f, err)
	}
}

// What a frame is decoded to must not depend on anything but the frame: whatever is taken is one JSON object with exactly one request,
// and whatever is refused has an answer that a client can read.
func FuzzDecodeFrame(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"subscribe":{"channels":["a","b:*"],"since":"earliest"}}`,
		`{"id":2,"unsubscribe":{"channels":["a"]}}`,
		`{"id":3,"publish":{"channel":"a","data":{"x":1},"event":"e","key":"k","headers":{},"ttl":"5s","idempotency_key":"u1"}}`,
		`{"id":4,"ping":{}}`, `{"id":4,"ping":{}}{}`, `{"id":4294967296,"ping":null}`, `[1]`, `{"a":`, "{\"\xff\":1}",
		`{"id":1,"subscribe":{"channels":["a"],"since":"k3f9-1207"}}`, `{"id":1,"subscribe":{"channels":["a"],"since":"90s"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := decodeFrame(data)
		if err != nil {
			checkRefusal(t, frame, err)
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil || !utf8.Valid(data) {
			t.Fatalf("%q was taken: %v", data, err)
		}
		delete(object, "id")
		name := map[frameKind]string{kindSubscribe: "subscribe", kindUnsubscribe: "unsubscribe", kindPublish: "publish", kindPing: "ping"}[frame.kind]
		if _, found := object[name]; !found || len(object) != 1 {
			t.Fatalf("%q was taken as %q", data, name)
		}
		if frame.kind == kindSubscribe && frame.id == 0 {
			t.Fatalf("%q has no id", data)
		}
		if frame.kind == kindPublish && !json.Valid(frame.publish) {
			t.Fatalf("the envelope of %q is %q", data, frame.publish)
		}
	})
}

// What is scanned is read as encoding/json reads it, in the same order, and refused in its words.
func FuzzMembersAgainstJSON(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"subscribe":{"channels":["a","b:*"],"since":"earliest"}}`, `{"id":1,"id":2}`, `{"id":1,"x":2,"id":3}`, `{"id":1}{}`, `{"id":1,"ping":{}} `, `{"id":1,}`,
		`{"\u0069d":1}`, `{"id":1,"a":1}x`, `{"id":1,"ping":1,"publish":2,"since":3,"channels":4,"subscribe":5,"unsubscribe":6}`, "{\"\xff\":1}", `[]`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			return // decodeFrame refuses it before
		}
		var scanned, read strings.Builder
		visitor := func(seen *strings.Builder) func(string, json.RawMessage) error {
			return func(name string, value json.RawMessage) error {
				fmt.Fprintf(seen, "%q=%q ", name, value)
				if name == "x" || len(name) > 11 {
					return errUnknownField
				}
				return nil
			}
		}
		err := members(data, "", visitor(&scanned))
		want := eachMember(data, "", visitor(&read))
		if fmt.Sprint(err) != fmt.Sprint(want) || scanned.String() != read.String() {
			t.Fatalf("%q:\ngot  %s %v\nwant %s %v", data, &scanned, err, &read, want)
		}
	})
}

func checkRefusal(t *testing.T, frame sessionFrame, err error) {
	t.Helper()
	e := todoke.AsError(err)
	switch e.Code {
	case todoke.CodeInvalidFrame, todoke.CodeInvalidSince, todoke.CodeInvalidPosition:
	default:
		t.Fatalf("an error of code %s: %v", e.Code, err)
	}
	answer := appendError(nil, frame.id, e)
	var decoded struct {
		ID    uint32
		Error struct{ Code, Detail, Field string }
	}
	if err := json.Unmarshal(answer, &decoded); err != nil || !utf8.Valid(answer) {
		t.Fatalf("the answer %q: %v", answer, err)
	}
	if decoded.ID != frame.id || decoded.Error.Code != string(e.Code) || decoded.Error.Detail == "" {
		t.Fatalf("the answer %q", answer)
	}
	if len(answer) > 1024 {
		t.Fatalf("an answer of %d bytes", len(answer))
	}
}
