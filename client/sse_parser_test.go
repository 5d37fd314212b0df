package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// told writes what the parser gives as text, one event a line, and then the reconnection time.
func told(t testing.TB, r io.Reader, limit int) (string, error) {
	t.Helper()
	p := newSSEParser(r, limit)
	var b strings.Builder
	for {
		e, err := p.next()
		if err != nil {
			fmt.Fprintf(&b, "retry %s", p.retry)
			return b.String(), err
		}
		writeEvent(&b, e)
	}
}

func writeEvent(b *strings.Builder, e sseEvent) {
	if e.dispatched {
		fmt.Fprintf(b, "%q %q id %q %t\n", e.name, e.data, e.id, e.setsID)
	} else {
		fmt.Fprintf(b, "id %q\n", e.id)
	}
}

// naive is the parser's judge: WHATWG HTML §9.2.6 word by word, on a stream that is there as a whole.
func naive(stream string) string {
	stream = strings.TrimPrefix(stream, "\uFEFF")
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n"), "\n")
	lines = lines[:len(lines)-1] // the last one has no end
	var b strings.Builder
	var data, name, id string
	var setsID bool
	var retry time.Duration
	for _, line := range lines {
		if line == "" {
			if data != "" || setsID {
				writeEvent(&b, sseEvent{name: name, data: []byte(strings.TrimSuffix(data, "\n")), dispatched: data != "", id: id, setsID: setsID})
			}
			data, name, setsID = "", "", false
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data += value + "\n"
		case "event":
			name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				id, setsID = value, true
			}
		case "retry":
			if value != "" && strings.Trim(value, "0123456789") == "" {
				if ms, err := strconv.ParseUint(value, 10, 32); err != nil || ms > uint64(maxRetry/time.Millisecond) {
					retry = maxRetry
				} else {
					retry = time.Duration(ms) * time.Millisecond
				}
			}
		}
	}
	fmt.Fprintf(&b, "retry %s", retry)
	return b.String()
}

// streams are those of WHATWG HTML §9.2.6, of docs/protocol.md, and the corners.
var streams = map[string]struct{ in, want string }{
	"two lines of data":                 {"data: YHOO\ndata: +2\ndata: 10\n\n", "\"\" \"YHOO\\n+2\\n10\" id \"\" false\nretry 0s"},
	"comment, id, reset of the id":      {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", "\"\" \"first event\" id \"1\" true\n\"\" \"second event\" id \"\" true\nretry 0s"},
	"empty data is an event":            {"data\n\ndata\ndata\n\ndata:", "\"\" \"\" id \"\" false\n\"\" \"\\n\" id \"\" false\nretry 0s"},
	"a blank after the colon":           {"data:test\n\ndata: test\n\ndata:  test\n\n", "\"\" \"test\" id \"\" false\n\"\" \"test\" id \"\" false\n\"\" \" test\" id \"\" false\nretry 0s"},
	"an opening sets the position":      {"retry: 2140\nid: k3f9-1200\n\nid: k3f9-1207\nevent: said\ndata: {}\n\n", "id \"k3f9-1200\"\n\"said\" \"{}\" id \"k3f9-1207\" true\nretry 2.14s"},
	"CR ends lines":                     {"data: a\rdata: b\r\rdata: c\r\r", "\"\" \"a\\nb\" id \"\" false\n\"\" \"c\" id \"\" false\nretry 0s"},
	"CRLF ends lines":                   {"data: a\r\ndata: b\r\n\r\n", "\"\" \"a\\nb\" id \"\" false\nretry 0s"},
	"a byte order mark":                 {"\uFEFFdata: a\n\n\uFEFFdata: b\n\n", "\"\" \"a\" id \"\" false\nretry 0s"},
	"NUL in an id":                      {"id: 1\n\nid: a\x00b\ndata: x\n\n", "id \"1\"\n\"\" \"x\" id \"1\" false\nretry 0s"},
	"retry takes digits only":           {"retry: 10\nretry: 1e3\nretry: -1\nretry: \nretry: +5\nretry: 5s\n", "retry 10ms"},
	"retry counts without a blank":      {"retry: 300\n", "retry 300ms"},
	"a name without data":               {"event: gone\n\ndata: x\n\n", "\"\" \"x\" id \"\" false\nretry 0s"},
	"fields are known by exact name":    {"DATA: x\n data: y\ndata : z\ndatas: w\n\n", "retry 0s"},
	"an unfinished event is dropped":    {"data: a\n\ndata: b\n", "\"\" \"a\" id \"\" false\nretry 0s"},
	"an unfinished position is none":    {"id: k-1\n", "retry 0s"},
	"nothing":                           {"", "retry 0s"},
	"blank lines only":                  {"\n\r\n\r\r", "retry 0s"},
	"a last event id stays":             {"id: 7\ndata: a\n\ndata: b\n\n", "\"\" \"a\" id \"7\" true\n\"\" \"b\" id \"7\" false\nretry 0s"},
	"a comment does not end an event":   {"data: a\n: still here\ndata: b\n\n", "\"\" \"a\\nb\" id \"\" false\nretry 0s"},
	"bytes that are not UTF-8 are kept": {"data: \xff\xfe\n\n", "\"\" \"\\xff\\xfe\" id \"\" false\nretry 0s"},
}

func TestParser(t *testing.T) {
	for name, tt := range streams {
		t.Run(name, func(t *testing.T) {
			if got := naive(tt.in); got != tt.want {
				t.Errorf("the judge is wrong:\n%s\nwant\n%s", got, tt.want)
			}
			for way, r := range map[string]io.Reader{
				"at once": strings.NewReader(tt.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
			} {
				got, err := told(t, r, 1000)
				if got != tt.want || !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v\n%s\nwant\n%s", way, err, got, tt.want)
				}
			}
		})
	}
}

// A reader must see an event when its last byte is there, not when the next one comes.
func TestParserDoesNotHoldBackAnEventThatEndsInCR(t *testing.T) {
	r, w := io.Pipe()
	go w.Write([]byte("data: a\r\r")) // and then silence
	e, err := newSSEParser(r, 1000).next()
	if err != nil || string(e.data) != "a" {
		t.Errorf("%q, %v", e.data, err)
	}
	r.Close()
}

func TestParserIsBounded(t *testing.T) {
	endless := func(piece string) io.Reader { return &repeater{piece: []byte(piece)} }
	for name, piece := range map[string]string{
		"a line": "data", "a comment": ":::", "data of many lines": "data: 1\n", "data of empty lines": "data\n", "an id": "id: 1",
	} {
		if _, err := told(t, endless(piece), 10_000); !errors.Is(err, errEventTooLarge) {
			t.Errorf("%s without end: %v", name, err)
		}
	}
	exact := "data: " + strings.Repeat("x", 994) + "\n\n"
	if got, err := told(t, strings.NewReader(exact), 1000); !errors.Is(err, io.EOF) {
		t.Errorf("a line of exactly the limit: %s, %v", got, err)
	}
}

type repeater struct {
	piece []byte
	at    int
}

func (r *repeater) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.piece[r.at]
		r.at = (r.at + 1) % len(r.piece)
	}
	return len(p), nil
}

func FuzzParser(f *testing.F) {
	for _, tt := range streams {
		f.Add([]byte(tt.in), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, pieces uint8) {
		want := naive(string(stream))
		got, err := told(t, &pieceReader{bytes.NewReader(stream), int(pieces%7) + 1}, 1<<20)
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%q:\n%s\nwant\n%s", stream, got, want)
		}
	})
}

// A pieceReader reads a few bytes at a time.
type pieceReader struct {
	r    io.Reader
	most int
}

func (p *pieceReader) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.most)]) }

func BenchmarkParser(b *testing.B) {
	event := []byte("id: k3f9-1207\nevent: said\ndata: " + strings.Repeat("x", 128) + "\n\n")
	p := newSSEParser(&repeater{piece: event}, 1<<20)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.next(); err != nil {
			b.Fatal(err)
		}
	}
}
