package redis

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func TestCodec(t *testing.T) {
	for _, m := range []todoke.Message{
		{},
		{Type: todoke.TypeText, Data: []byte("text")},
		{Type: mediaJSON, Data: []byte(`{}`), TTL: 1},
		{Type: "x", Event: "e", Key: "k", TTL: 1<<63 - 1, Headers: map[string]string{"a": "", "b": "c"}, Data: []byte{0, 1, 2}},
	} {
		b := encode(nil, &m)
		if len(b) > sizeOf(&m) {
			t.Errorf("%+v takes %d bytes, sizeOf says %d", m, len(b), sizeOf(&m))
		}
		var got todoke.Message
		if err := decode(b, &got); err != nil || !same(got, m) {
			t.Errorf("%+v is read as %+v (%v)", m, got, err)
		}
		headless := len(b) - len(m.Data)
		for n := range headless {
			if err := decode(b[:n], &todoke.Message{}); err == nil {
				t.Errorf("%d of %d bytes are read without an error", n, len(b))
			}
		}
	}
}

func same(a, b todoke.Message) bool {
	return a.Type == b.Type && a.Event == b.Event && a.Key == b.Key && a.TTL == b.TTL && maps.Equal(a.Headers, b.Headers) && bytes.Equal(a.Data, b.Data)
}

// FuzzEntry: whatever stands in Redis, reading it ends with an error or with messages that are written and read the same.
func FuzzEntry(f *testing.F) {
	numbers := make([]byte, entryHead)
	numbers[31], numbers[30] = 0x40, 0x59 // the last offset is 100
	whole := appendFrame(numbers, &todoke.Message{Type: "x", Event: "e", TTL: time.Second, Data: []byte("a")})
	f.Add(appendFrame(whole, &todoke.Message{Type: mediaJSON, Headers: map[string]string{"a": "b"}}))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 60))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := readEntry(text)
		if err != nil {
			return
		}
		for _, en := range entries {
			m, err := en.decode("a", "epoch")
			if err != nil {
				continue
			}
			var again todoke.Message
			if err := decode(encode(nil, m), &again); err != nil || !same(again, *m) {
				t.Errorf("%+v is read as %+v (%v)", m, again, err)
			}
			en.over(0)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := readRecord(text); err == nil && r == nil {
			t.Error("no record and no error")
		}
	})
}

func TestReaches(t *testing.T) {
	for _, tt := range []struct {
		pattern, namespace string
		want               bool
	}{
		{"**", "", true}, {"**", "a", true}, {"*", "", true}, {"*", "a", false}, {"*:x", "a", true}, {"*:**", "", false},
		{"a:*", "a", true}, {"a:*", "b", false}, {"a:b", "a", true}, {"a", "", true}, {"a", "a", false},
	} {
		if got := reaches(tt.pattern, tt.namespace); got != tt.want {
			t.Errorf("%q reaches %q: %v", tt.pattern, tt.namespace, got)
		}
	}
}

func TestFollows(t *testing.T) {
	known := history{term: 2, epoch: "b", head: 10}
	for _, tt := range []struct {
		what  string
		found history
		want  bool
	}{
		{"the same", history{term: 2, epoch: "b", head: 10}, true},
		{"further on", history{term: 2, epoch: "b", head: 11}, true},
		{"the head gone back", history{term: 2, epoch: "b", head: 9}, false},
		{"an older epoch", history{term: 1, epoch: "a", head: 100}, false},
		{"another of the same term", history{term: 2, epoch: "c", head: 100}, false},
		{"a newer one", history{term: 3, epoch: "c", head: 5}, true},
	} {
		if got := known.follows(tt.found); got != tt.want {
			t.Errorf("%s: %v", tt.what, got)
		}
	}
	if !(history{}).follows(known) {
		t.Error("a node that knows nothing takes what it finds")
	}
}
