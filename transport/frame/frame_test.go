package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var noon = time.Date(2026, 11, 23, 19, 1, 43, 123456789, time.UTC)

func at(offset todoke.Offset) todoke.Position { return todoke.Position{Epoch: "k3f9", Offset: offset} }

// TestShapes holds the objects of docs/protocol.md to the letter.
func TestShapes(t *testing.T) {
	full := &todoke.Message{
		Channel: "chat:42", Event: "said", Key: "m1", Type: "application/json", Headers: map[string]string{"trace": "abc"},
		Data: []byte(`{"text":"hello"}`), Position: at(1207), Time: noon,
	}
	const fullJSON = `{"id":"k3f9-1207","channel":"chat:42","event":"said","key":"m1","type":"application/json","time":"2026-11-23T19:01:43.123456789Z","headers":{"trace":"abc"},"data":{"text":"hello"}}`
	gap := todoke.Gap{Channel: "chat:42", From: at(3), To: at(9)}
	const gapJSON = `{"channel":"chat:42","from":"k3f9-3","to":"k3f9-9"}`
	published := todoke.Published{Position: at(1207), Channel: "chat:42", Time: noon}
	for _, test := range []struct {
		name, want string
		got        []byte
	}{
		{"message", fullJSON, AppendMessage(nil, full)},
		{"message in a stream", fullJSON, Stream{}.AppendMessage(nil, full)},
		{"message in a session", `{"message":` + fullJSON + `}`, Session{}.AppendMessage(nil, full)},
		{"gap", gapJSON, AppendGap(nil, gap)},
		{"gap in a stream", `{"gap":` + gapJSON + `}`, Stream{}.AppendGap(nil, gap)},
		{"gap in a session", `{"gap":` + gapJSON + `}`, Session{}.AppendGap(nil, gap)},
		{"possible gap", `{"channel":"room:**","from":"old-1","to":"k3f9-9","possible":true}`,
			AppendGap(nil, todoke.Gap{Channel: "room:**", From: todoke.Position{Epoch: "old", Offset: 1}, To: at(9), Possible: true})},
		{"published", `{"id":"k3f9-1207","channel":"chat:42","time":"2026-11-23T19:01:43.123456789Z","duplicate":false}`, AppendPublished(nil, published)},
		{"position", `{"position":"k3f9-1200"}`, AppendPosition(nil, at(1200), 0)},
		{"position of a subscription", `{"position":"k3f9-1300","subscription":1}`, AppendPosition(nil, at(1300), 1)},
		{"position of the last subscription", `{"position":"k3f9-0","subscription":4294967295}`, AppendPosition(nil, at(0), math.MaxUint32)},
		{"reconnect", `{"reconnect":{"after":"2.140s"}}`, AppendReconnect(nil, 2140*time.Millisecond)},
		{"reconnect at once", `{"reconnect":{"after":"0.000s"}}`, AppendReconnect(nil, -time.Second)},
		{"text", `{"channel":"a","type":"text/plain","data":"one\ntwo \"3\" \\ \u0000 ü \u001f"}`,
			AppendMessage(nil, &todoke.Message{Channel: "a", Type: "text/plain", Data: []byte("one\ntwo \"3\" \\ \x00 ü \x1f")})},
		{"binary", `{"channel":"a","type":"image/png","data_base64":"AAE="}`,
			AppendMessage(nil, &todoke.Message{Channel: "a", Type: "image/png", Data: []byte{0, 1}})},
		{"text that is not UTF-8", `{"channel":"a","type":"text/plain","data_base64":"/w=="}`,
			AppendMessage(nil, &todoke.Message{Channel: "a", Type: "text/plain", Data: []byte{0xff}})},
		{"JSON that is not UTF-8", `{"channel":"a","type":"application/json","data_base64":"Iv8i"}`,
			AppendMessage(nil, &todoke.Message{Channel: "a", Type: "application/json", Data: []byte("\"\xff\"")})},
		{"empty", `{"channel":"a","type":"text/plain","data":""}`, AppendMessage(nil, &todoke.Message{Channel: "a"})},
		{"a type of JSON's family", `{"channel":"a","type":"application/ld+json; v=1","data":[1, 2.0]}`,
			AppendMessage(nil, &todoke.Message{Channel: "a", Type: "application/ld+json; v=1", Data: []byte(`[1, 2.0]`)})},
		{"headers in order, time in UTC", `{"channel":"a","type":"text/plain","time":"2026-11-23T19:01:43Z","headers":{"a":"1","b":"2","c":"3"},"data":""}`,
			AppendMessage(nil, &todoke.Message{Channel: "a", Time: noon.Truncate(time.Second).In(time.FixedZone("", 3600)), Headers: map[string]string{"c": "3", "a": "1", "b": "2"}})},
	} {
		if string(test.got) != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, test.got, test.want)
		}
		if !json.Valid(test.got) {
			t.Errorf("%s: not JSON: %s", test.name, test.got)
		}
	}
}

func TestAppendStringAgreesWithJSON(t *testing.T) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x01\x1f\x7f", "\r\n\t\b\f", "日本語 \U0001f600", "\u2028\u2029", "a\xffb\xc3", "\ufffd"} {
		got := AppendString([]byte("x"), s)
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil {
			t.Errorf("%q became %s: %v", s, got, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); back != want || got[0] != 'x' {
			t.Errorf("%q came back as %q", s, back)
		}
	}
}

func TestFormatsAreComparable(t *testing.T) {
	var stream, session todoke.Format = Stream{}, Session{}
	if stream != todoke.Format(Stream{}) || session != todoke.Format(Session{}) || stream == session {
		t.Error("the hub shares bytes by the format's value")
	}
}

func TestPayload(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, test := range []struct {
		name, mediaType, data string
		base64                *string
		wantType, want        string
		field                 string // of the error
	}{
		{"a string is text", "", `"hi\n"`, nil, "text/plain", "hi\n", ""},
		{"any other value is JSON", "", `{"a": 1.0}`, nil, "application/json", `{"a": 1.0}`, ""},
		{"null is JSON", "", `null`, nil, "application/json", `null`, ""},
		{"base64 is bytes", "", "", text("AAE="), "application/octet-stream", "\x00\x01", ""},
		{"a JSON string", "application/json", `"hi"`, nil, "application/json", `"hi"`, ""},
		{"a type of its own", "application/xml", `"<a/>"`, nil, "application/xml", "<a/>", ""},
		{"JSON in base64", "application/json", "", text("e30="), "application/json", "{}", ""},
		{"text cannot be an object", "text/plain", `{}`, nil, "", "", "data"},
		{"both", "", `"a"`, text("AAE="), "", "", "data_base64"},
		{"neither", "", "", nil, "", "", "data"},
		{"not padded", "", "", text("AAE"), "", "", "data_base64"},
		{"bits nobody reads", "", "", text("AAF="), "", "", "data_base64"},
		{"of the URL's alphabet", "", "", text("_-8="), "", "", "data_base64"},
	} {
		gotType, got, err := Payload(test.mediaType, json.RawMessage(test.data), test.base64)
		if test.field != "" {
			if e := todoke.AsError(err); err == nil || !errors.Is(err, todoke.CodeInvalidMessage) || e.Field != test.field {
				t.Errorf("%s: error %v, want one at %s", test.name, err, test.field)
			}
			continue
		}
		if err != nil || gotType != test.wantType || string(got) != test.want {
			t.Errorf("%s: %q %q %v", test.name, gotType, got, err)
		}
	}
}

func TestObjectsComeBack(t *testing.T) {
	var gap Gap
	wantGap := todoke.Gap{Channel: "a:*", From: at(1), To: at(2), Possible: true}
	if err := json.Unmarshal(AppendGap(nil, wantGap), &gap); err != nil || gap.Decode() != wantGap {
		t.Errorf("gap: %+v %v", gap, err)
	}
	var published Published
	want := todoke.Published{Position: at(7), Channel: "a", Time: noon, Duplicate: true}
	if err := json.Unmarshal(AppendPublished(nil, want), &published); err != nil || published.Decode() != want {
		t.Errorf("published: %+v %v", published, err)
	}
	one := Page{Gap: &gap}
	two := Page{Gap: &gap, Gaps: []Gap{gap, gap}}
	if len(one.AllGaps()) != 1 || len(two.AllGaps()) != 2 || len(Page{}.AllGaps()) != 0 {
		t.Error("a page's gaps are gap, or gaps where there are several")
	}
}

func FuzzMessageRoundTrip(f *testing.F) {
	f.Add("chat:42", "said", "m1", "application/json", "trace", "abc", []byte(` {"text":"hello"} `), uint64(1))
	f.Add("a", "", "", "text/plain; charset=utf-8", "", "", []byte("one\r\ntwo\u2028"), uint64(1<<63-1))
	f.Add("a", "", "", "image/png", "", "", []byte{0xff, 0}, uint64(0))
	f.Fuzz(func(t *testing.T, channel, event, key, mediaType, name, value string, data []byte, offset uint64) {
		m := &todoke.Message{
			Channel: utf8Only(channel), Event: utf8Only(event), Key: utf8Only(key), Type: utf8Only(mediaType), Data: data,
			Position: at(todoke.Offset(offset & uint64(todoke.MaxOffset))), Time: noon,
		}
		if name != "" {
			m.Headers = map[string]string{utf8Only(name): utf8Only(value)}
		}
		if m.Type == "" {
			m.Type = todoke.TypeText
		}
		if m.IsJSON() {
			if !json.Valid(data) {
				return // the hub lets no such message in
			}
			m.Data = bytes.Trim(data, " \t\r\n")
		}
		var object Message
		encoded := AppendMessage(nil, m)
		if err := json.Unmarshal(encoded, &object); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		back, err := object.Decode()
		if err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if len(back.Data) == 0 && len(m.Data) == 0 {
			back.Data = m.Data
		}
		if !reflect.DeepEqual(back, m) {
			t.Errorf("%s\ngot  %+v\nwant %+v", encoded, back, m)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"k3f9-1","channel":"a","data":"x"}`))
	f.Add([]byte(`{"id":"","data_base64":"AA==","data":null,"headers":{"a":null}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var object Message
		if json.Unmarshal(raw, &object) != nil {
			return
		}
		if m, err := object.Decode(); err == nil && !json.Valid(AppendMessage(nil, m)) {
			t.Errorf("%s was decoded to %+v, which does not encode", raw, m)
		}
	})
}

func utf8Only(s string) string { return strings.ToValidUTF8(s, "?") }

func benchmarkMessage(mediaType string, data []byte) *todoke.Message {
	return &todoke.Message{
		Channel: "chat:42", Event: "said", Type: mediaType, Data: data, Position: at(1207), Time: noon,
		Headers: map[string]string{"trace": "abc", "span": "def"},
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 4096)
	gap := todoke.Gap{Channel: "a", From: at(1), To: at(2)}
	for name, m := range map[string]*todoke.Message{
		"json":   benchmarkMessage("application/json", bytes.Repeat([]byte(`1`), 128)),
		"text":   benchmarkMessage("text/plain", bytes.Repeat([]byte("line\n"), 26)),
		"binary": benchmarkMessage("image/png", make([]byte, 128)),
	} {
		if n := testing.AllocsPerRun(100, func() { dst = Session{}.AppendMessage(dst[:0], m) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { dst = AppendPosition(Session{}.AppendGap(dst[:0], gap), gap.To, 1) }); n != 0 {
		t.Errorf("gap and position: %v allocations", n)
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	for _, bench := range []struct {
		name string
		m    *todoke.Message
	}{
		{"json128", benchmarkMessage("application/json", []byte(`"`+strings.Repeat("x", 126)+`"`))},
		{"text128", benchmarkMessage("text/plain", bytes.Repeat([]byte("x"), 128))},
		{"text64KiB", benchmarkMessage("text/plain", bytes.Repeat([]byte("hello, world\n"), 5041))},
		{"binary128", benchmarkMessage("image/png", make([]byte, 128))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.m.Data)))
			var dst []byte
			for b.Loop() {
				dst = AppendMessage(dst[:0], bench.m)
			}
		})
	}
}
