package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var contentScenarios = []scenario{
	{name: "a huge message", run: huge},
	{name: "empty, binary and odd data", run: oddData},
	{name: "names and headers are kept byte for byte", run: oddNames},
	{name: "what was returned is not changed later", run: unchanged},
}

// roundTrip publishes messages, and reads and tails them back.
func roundTrip(t *testing.T, h Harness, messages ...*todoke.Message) {
	t.Helper()
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	for _, m := range messages {
		f.publish(m)
	}
	compare(t, "Read", f.rest("a", 0).Messages, f.log)
	tl.gives(f.log)
	f.publish(messages...)
	compare(t, "Read", f.rest("a", 0).Messages, f.log)
	tl.gives(f.log)
}

func huge(t *testing.T, h Harness) {
	data := make([]byte, h.MaxData)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	m := text("a", "")
	m.Data, m.Type = data, "application/octet-stream"
	m.Headers = map[string]string{"h": strings.Repeat("v", todoke.MaxHeaderBytes-1)}
	roundTrip(t, h, text("a", "before"), m, text("a", "after"))
}

func oddData(t *testing.T, h Harness) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var messages []*todoke.Message
	for _, data := range [][]byte{
		nil, {}, {0}, {'\n'}, []byte("\r\n\r\n"), all, []byte("\xff\xfe\x00"), []byte("日本語 🎉\u2028"), []byte(`{"json":true}`),
		[]byte(" leading and trailing "), []byte("$6\r\nfoobar\r\n"), []byte(strings.Repeat("\x00", 5000)),
	} {
		m := text("a", "")
		m.Data, m.Type = data, "application/octet-stream"
		messages = append(messages, m)
	}
	roundTrip(t, h, messages...)
}

func oddNames(t *testing.T, h Harness) {
	odd := []string{"x", "X-Upper-Case", "x-upper-case", "with space", " edges ", "col:on", "a=b&c", "日本語", "🎉", "\u00a0", "\"quoted\"", "\\back", "%41", "*", "\u2028"}
	many := map[string]string{}
	for i := range todoke.MaxHeaders {
		many[fmt.Sprintf("header-%d", i)] = strings.Repeat("v", i)
	}
	pairs := map[string]string{}
	var messages []*todoke.Message
	for i, s := range odd {
		pairs[s] = odd[len(odd)-1-i]
		m := text("a", s)
		m.Event, m.Key, m.Type = s, s+s, "text/plain; charset=\"utf-8\"; x="+s
		m.Headers = map[string]string{s: s, s + "-empty": ""}
		m.TTL = time.Duration(i) * time.Hour
		messages = append(messages, m)
	}
	for _, headers := range []map[string]string{nil, {}, many, pairs} {
		m := text("a", "")
		m.Headers = headers
		messages = append(messages, m)
	}
	long := text("a", "long names")
	long.Event, long.Key, long.Type = strings.Repeat("e", todoke.MaxNameBytes), strings.Repeat("k", todoke.MaxNameBytes), strings.Repeat("t", todoke.MaxNameBytes)
	roundTrip(t, h, append(messages, long)...)
}

// unchanged reads messages and keeps looking at them while the log goes on; the race detector looks too.
func unchanged(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 10, Bytes: -1, Age: -1}})
	tl := f.tail(todoke.Position{})
	for i := range 10 {
		m := keyed("r:a", fmt.Sprint("k", i), strings.Repeat(fmt.Sprint(i), 100))
		m.Headers = map[string]string{"i": fmt.Sprint(i)}
		f.publish(m)
	}
	p := f.rest("r:a", 0)
	tl.gives(f.log)
	applied, _, _ := tl.seen()
	want := slices.Clone(f.log)
	page := slices.Clone(p.Messages)

	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			for i, m := range page {
				if d := differ(m, want[i]); d != "" || !maps.Equal(m.Headers, want[i].Headers) {
					t.Errorf("a message that was read changed: %s", d)
					return
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	f.crowd(2, 20)
	for i := range 200 { // everything that was read is trimmed
		if _, err := try(f.ctx, f.e, text("r:a", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
	compare(t, "the slice of an old page", p.Messages, want)
	compare(t, "messages of an old Apply", applied, want)
}
