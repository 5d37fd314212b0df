package sse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/request"
)

func at(offset todoke.Offset) todoke.Position { return todoke.Position{Epoch: "k3f9", Offset: offset} }

// An event is what a client dispatches.
type event struct{ name, id, data string }

// A parser follows WHATWG HTML §9.2.6 to the letter.
type parser struct {
	lastID      string
	retry       string
	name, id    string
	data        strings.Builder
	dispatched  []event
	keptSilence int // events that only told the position, or when to reconnect
}

func (p *parser) feed(line string) {
	if line == "" {
		p.lastID = p.id
		if p.data.Len() == 0 || p.name == todoke.ReservedEventPrefix+"position" {
			p.data.Reset()
			p.name = ""
			p.keptSilence++
			return
		}
		p.dispatched = append(p.dispatched, event{p.name, p.lastID, strings.TrimSuffix(p.data.String(), "\n")})
		p.data.Reset()
		p.name = ""
		return
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		p.name = value
	case "data":
		p.data.WriteString(value + "\n")
	case "id":
		if !strings.Contains(value, "\x00") {
			p.id = value
		}
	case "retry":
		p.retry = value
	}
}

func parse1(t *testing.T, text []byte) *parser {
	t.Helper()
	p := &parser{}
	if !bytes.HasSuffix(text, []byte("\n\n")) {
		t.Fatalf("not a whole event: %q", text)
	}
	s := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text))
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		p.feed(line)
	}
	return p
}

func TestEvents(t *testing.T) {
	m := &todoke.Message{Channel: "a", Event: "said", Type: "application/json", Data: []byte(`{"text":"hello"}`), Position: at(1207)}
	gap := todoke.Gap{Channel: "chat:42", From: at(3), To: at(9)}
	for _, test := range []struct {
		name, want string
		got        []byte
	}{
		{"raw", "id: k3f9-1207\nevent: said\ndata: {\"text\":\"hello\"}\n\n", Raw{}.AppendMessage(nil, m)},
		{"message", "id: k3f9-1207\nevent: said\ndata: {\"id\":\"k3f9-1207\",\"channel\":\"a\",\"event\":\"said\",\"type\":\"application/json\",\"data\":{\"text\":\"hello\"}}\n\n", Message{}.AppendMessage(nil, m)},
		{"gap, raw", "event: todoke.gap\ndata: {\"gap\":{\"channel\":\"chat:42\",\"from\":\"k3f9-3\",\"to\":\"k3f9-9\"}}\n\n", Raw{}.AppendGap(nil, gap)},
		{"gap, message", "event: todoke.gap\ndata: {\"gap\":{\"channel\":\"chat:42\",\"from\":\"k3f9-3\",\"to\":\"k3f9-9\"}}\n\n", Message{}.AppendGap(nil, gap)},
		{"no event name, no data", "id: k3f9-1\ndata: \n\n", Raw{}.AppendMessage(nil, &todoke.Message{Position: at(1)})},
		{"lines", "id: k3f9-1\ndata: one\ndata:  two\ndata: \ndata: \n\n", Raw{}.AppendMessage(nil, &todoke.Message{Position: at(1), Data: []byte("one\r\n two\r\n\r")})},
		{"lines without CR", "id: k3f9-1\ndata: one\ndata: \ndata: two\n\n", Raw{}.AppendMessage(nil, &todoke.Message{Position: at(1), Data: []byte("one\n\ntwo")})},
		{"binary", "id: k3f9-1\ndata: /wA=\n\n", Raw{}.AppendMessage(nil, &todoke.Message{Position: at(1), Data: []byte{0xff, 0}})},
		{"JSON in lines", "id: k3f9-1\ndata: {\"id\":\"k3f9-1\",\"channel\":\"a\",\"type\":\"application/json\",\"data\":{\ndata:  \"a\": 1\ndata: }}\n\n",
			Message{}.AppendMessage(nil, &todoke.Message{Channel: "a", Position: at(1), Type: "application/json", Data: []byte("{\n \"a\": 1\r\n}")})},
		{"opening", "retry: 2140\nid: k3f9-1200\nevent: todoke.position\ndata: {\"position\":\"k3f9-1200\"}\n\n", appendPosition(appendRetryLine(nil, 2140*time.Millisecond), at(1200))},
		{"keep-alive", ": \nid: k3f9-1300\nevent: todoke.position\ndata: {\"position\":\"k3f9-1300\"}\n\n", appendKeepAlive(nil, at(1300))},
		{"end", "retry: 0\n\n", appendRetry(nil, -1)},
	} {
		if string(test.got) != test.want {
			t.Errorf("%s:\ngot  %q\nwant %q", test.name, test.got, test.want)
		}
		parse1(t, test.got)
	}
}

func TestErrorEventIsOneProblem(t *testing.T) {
	p := parse1(t, appendError(nil, &todoke.Error{Code: todoke.CodeUnavailable, Hint: "two\nlines", Err: errors.New("secret")}))
	if len(p.dispatched) != 1 || p.dispatched[0].name != EventError || strings.Contains(p.dispatched[0].data, "secret") {
		t.Fatalf("%+v", p.dispatched)
	}
	var doc struct{ Code, Detail string }
	if err := json.Unmarshal([]byte(p.dispatched[0].data), &doc); err != nil || doc.Code != "unavailable" || doc.Detail != "two\nlines" {
		t.Errorf("%+v %v", doc, err)
	}
}

func TestFormatOf(t *testing.T) {
	for _, test := range []struct {
		read request.Read
		want todoke.Format
	}{
		{request.Read{}, Raw{}},
		{request.Read{Many: true}, Message{}},
		{request.Read{Format: "message"}, Message{}},
		{request.Read{Format: "raw", Many: true}, Raw{}},
	} {
		if got := formatOf(test.read); got != test.want {
			t.Errorf("%+v: %T", test.read, got)
		}
	}
}

func FuzzEventsComeBack(f *testing.F) {
	f.Add("said", "text/plain", []byte("one\ntwo\r\n\rthree "))
	f.Add("", "application/json", []byte("{\r\n\"a\":\n1}"))
	f.Add("", "image/png", []byte{0xff, '\n'})
	f.Fuzz(func(t *testing.T, name, mediaType string, data []byte) {
		for _, c := range name {
			if c < ' ' || c == 0x7f || c == utf8.RuneError {
				return // the hub refuses it
			}
		}
		if strings.HasPrefix(name, todoke.ReservedEventPrefix) {
			return // and this
		}
		m := &todoke.Message{Channel: "a", Event: name, Type: strings.ToValidUTF8(mediaType, ""), Data: data, Position: at(7)}
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		if !utf8.Valid(data) {
			want = base64.StdEncoding.EncodeToString(data)
		}
		p := parse1(t, Raw{}.AppendMessage(nil, m))
		if len(p.dispatched) != 1 || p.dispatched[0] != (event{name, "k3f9-7", want}) {
			t.Fatalf("%+v became %+v", m, p.dispatched)
		}
		if m.IsJSON() && !json.Valid(data) {
			return
		}
		p = parse1(t, Message{}.AppendMessage(nil, m))
		var object frame.Message
		if len(p.dispatched) != 1 || json.Unmarshal([]byte(p.dispatched[0].data), &object) != nil {
			t.Fatalf("%+v became %+v", m, p.dispatched)
		}
		back, err := object.Decode()
		if err != nil || back.Event != name {
			t.Fatalf("%+v: %v", back, err)
		}
		if !m.IsJSON() && !bytes.Equal(back.Data, data) {
			t.Fatalf("%q came back as %q", data, back.Data)
		}
	})
}

func TestLinesOfNothingAreNotQuadratic(t *testing.T) {
	data := bytes.Repeat([]byte("\r"), 1<<20)
	start := time.Now()
	Raw{}.AppendMessage(nil, &todoke.Message{Position: at(1), Data: data})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("1 MiB of CR took %s", took)
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	m := &todoke.Message{Channel: "a", Event: "said", Type: "text/plain", Data: bytes.Repeat([]byte("line\n"), 26), Position: at(7), Time: time.Now()}
	dst := make([]byte, 0, 4096)
	for _, f := range []todoke.Format{Raw{}, Message{}} {
		if n := testing.AllocsPerRun(100, func() { dst = f.AppendMessage(dst[:0], m) }); n != 0 {
			t.Errorf("%T: %v allocations", f, n)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := &todoke.Message{Channel: "a", Event: "said", Type: "text/plain", Data: bytes.Repeat([]byte("x"), 128), Position: at(7), Time: time.Now()}
	for name, f := range map[string]todoke.Format{"raw": Raw{}, "message": Message{}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = f.AppendMessage(dst[:0], m)
			}
		})
	}
}
