package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// scenarios are what every transport must do.
var scenarios = []struct {
	name string
	run  func(t *testing.T, setup Setup, d Driver)
}{
	{"live", live},
	{"many channels and patterns in the order of the log", manyChannels},
	{"resume after every message", resumeEverywhere},
	{"a cut before the first message", cutBeforeFirst},
	{"an exact gap", exactGap},
	{"a position of another epoch", foreignEpoch},
	{"every part of a message", everyPart},
	{"a message of 1 MiB", largeMessage},
	{"conflated catch-up", conflated},
	{"a reader that does not read", slowReader},
	{"cut in mid-frame", cutInMidFrame},
	{"the server stops", serverStops},
	{"no permission", noPermission},
	{"bad requests", badRequests},
}

// Run runs every scenario on every driver.
func Run(t *testing.T, setup Setup, drivers []Driver) {
	for _, d := range drivers {
		t.Run(d.Name, func(t *testing.T) {
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) { s.run(t, setup, d) })
			}
		})
	}
}

func allowed() todoke.Options { return todoke.Options{Authorizer: todoke.AllowAll} }

func live(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	publish(t, s, "a", "before")
	r := open(t, d, s, "now", "a")
	for i := range 20 {
		publish(t, s, "a", strconv.Itoa(i))
		publish(t, s, "b", "-")
		expect(t, words(t, r, 1), "a="+strconv.Itoa(i))
	}
}

func manyChannels(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	publish(t, s, "a", "1")
	publish(t, s, "p:x", "2")
	r := open(t, d, s, "earliest", "a", "p:*", "deep:**")
	expect(t, words(t, r, 2), "a=1, p:x=2")
	publish(t, s, "deep:1:2", "3")
	publish(t, s, "p:x:y", "-")
	publish(t, s, "p:new", "4")
	publish(t, s, "a", "5")
	expect(t, words(t, r, 3), "deep:1:2=3, p:new=4, a=5")
}

func resumeEverywhere(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	start := s.Hub.Head().String()
	for i := range 6 {
		publish(t, s, "a", strconv.Itoa(2*i))
		publish(t, s, "b", strconv.Itoa(2*i+1))
	}
	r := open(t, d, s, start, "a", "b")
	positions := []string{start}
	for range 12 {
		next(t, r)
		positions = append(positions, r.Position())
	}
	for n, p := range positions {
		var want []string
		for i := n; i < 12; i++ {
			want = append(want, fmt.Sprintf("%s=%d", []string{"a", "b"}[i%2], i))
		}
		expect(t, words(t, open(t, d, s, p, "a", "b"), 12-n), strings.Join(want, ", "))
	}
}

func cutBeforeFirst(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	publish(t, s, "a", "before")
	r := open(t, d, s, "now", "a")
	p := r.Position()
	if _, err := todoke.ParsePosition(p); err != nil {
		t.Fatalf("a reader without messages has the position %q: %v", p, err)
	}
	r.Close()
	publish(t, s, "a", "while away")
	expect(t, words(t, open(t, d, s, p, "a"), 1), "a=while away")
}

func exactGap(t *testing.T, setup Setup, d Driver) {
	s := setup(t, todoke.Options{Authorizer: todoke.AllowAll, Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 2}}})
	first := publish(t, s, "a", "1")
	publish(t, s, "a", "2", "3", "4")
	expect(t, words(t, open(t, d, s, first.String(), "a"), 3), "gap a 2-2, a=3, a=4")
	expect(t, words(t, open(t, d, s, first.String(), "a", "b"), 3), "gap a 2-2, a=3, a=4")
	third := publish(t, s, "a", "5")
	publish(t, s, "a", "6", "7")
	expect(t, words(t, open(t, d, s, third.String(), "a"), 2), "a=6, a=7")
}

func foreignEpoch(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	publish(t, s, "b", "-")
	publish(t, s, "a", "1", "2")
	r := open(t, d, s, "elsewhere-77", "a")
	e := next(t, r)
	if e.Gap == nil || !e.Gap.Possible || e.Gap.From.String() != "elsewhere-77" || e.Gap.To.Epoch != s.Hub.Head().Epoch {
		t.Fatalf("no gap notice first: %+v", e)
	}
	expect(t, words(t, r, 2), "a=1, a=2")
}

func everyPart(t *testing.T, setup Setup, d Driver) {
	messages := []todoke.Message{
		{Data: []byte("plain")},
		{Data: []byte("")},
		{Data: []byte("two\nlines\n\nand a last one\n")},
		{Data: []byte("\r\n\t\x01\x00 \u2028 ends")},
		{Data: []byte("grüße, 世界, 🎉, \u202e")},
		{Data: []byte(`{"json": [1, 2.50, "x\ny", null], "big": 12345678901234567890}`), Type: "application/json"},
		{Data: []byte("{\n  \"pretty\": true\n}"), Type: "application/vnd.x+json"},
		{Data: []byte(`"a string"`), Type: "application/json"},
		{Data: []byte{0, 1, 2, 0xff, 0xfe, '\n', '\r'}, Type: "application/octet-stream"},
		{Data: []byte{0xff, 0xfe}, Type: "text/plain"},
		{Data: []byte("<b>"), Type: "text/html; charset=utf-8", Event: "said", Key: "k/ü 1", Headers: map[string]string{"trace": "abc", "q": `"x" \ y`}},
	}
	s := setup(t, allowed())
	r := open(t, d, s, "now", "a:b.c~d@e=f-g_h")
	for i := range messages {
		messages[i].Channel = "a:b.c~d@e=f-g_h"
		p, err := s.Hub.Publish(t.Context(), messages[i])
		if err != nil {
			t.Fatal(err)
		}
		got := next(t, r)
		want := messages[i]
		if want.Type == "" {
			want.Type = todoke.TypeText
		}
		same(t, got.Message, &want)
		if got.Message.Position != p.Position || !got.Message.Time.Equal(p.Time) {
			t.Errorf("position %v and time %v, published at %v, %v", got.Message.Position, got.Message.Time, p.Position, p.Time)
		}
	}
}

func largeMessage(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	r := open(t, d, s, "now", "a")
	for _, m := range []todoke.Message{
		{Channel: "a", Type: todoke.TypeText, Data: bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)},
		{Channel: "a", Type: "application/octet-stream", Data: bytes.Repeat([]byte{0, 0xff}, 1<<19)},
	} {
		if _, err := s.Hub.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		same(t, next(t, r).Message, &m)
	}
}

func conflated(t *testing.T, setup Setup, d Driver) {
	namespaces := map[string]todoke.Namespace{
		"latest": {Conflation: todoke.ConflateLatest},
		"append": {Conflation: todoke.ConflateAppend},
		"merge":  {Conflation: todoke.ConflateMerge},
	}
	s := setup(t, todoke.Options{Authorizer: todoke.AllowAll, Namespaces: namespaces})
	start := s.Hub.Head().String()
	publish(t, s, "latest:a", "1", "2", "3")
	publish(t, s, "append:a", "Hel", "lo, ", "world")
	for _, patch := range []string{`{"home":0}`, `{"home":1}`, `{"away":2}`} {
		if _, err := s.Hub.Publish(t.Context(), todoke.Message{Channel: "merge:a", Type: "application/json", Data: []byte(patch)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, since := range []string{start, "snapshot", "earliest"} {
		expect(t, words(t, open(t, d, s, since, "latest:a"), 1), "latest:a=3")
		expect(t, words(t, open(t, d, s, since, "append:a"), 1), "append:a=Hello, world")
		expect(t, words(t, open(t, d, s, since, "merge:a"), 1), `merge:a={"away":2,"home":1}`)
	}
	r := open(t, d, s, "snapshot", "append:a", "latest:a")
	expect(t, words(t, r, 2), "latest:a=3, append:a=Hello, world")
	publish(t, s, "append:a", "!")
	expect(t, words(t, r, 1), "append:a=!")
}

// slowReader does not read for a while; that costs others nothing, and it then gets a gap and what is left.
func slowReader(t *testing.T, setup Setup, d Driver) {
	s := setup(t, todoke.Options{Authorizer: todoke.AllowAll, Namespace: todoke.Namespace{Retention: todoke.Retention{Bytes: 512 << 10}}})
	slow := open(t, d, s, "now", "a")
	quick := open(t, d, s, "now", "a")
	const messages = 250 // of 64 KiB: more than what sockets hold
	filler := strings.Repeat("x", 64<<10)
	for i := range messages {
		publish(t, s, "a", strconv.Itoa(i)+filler)
		if got := next(t, quick); got.Message == nil || !strings.HasPrefix(got.Message.Text(), strconv.Itoa(i)+"x") {
			t.Fatalf("the quick reader got %.40s for %d", word(got), i)
		}
	}
	last, lost := -1, 0
	for last < messages-1 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		e, err := slow.Next(ctx)
		cancel()
		if err != nil && last < messages-1 && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			// It took nothing for so long that it was cut, which is the server's right: it resumes.
			slow = open(t, d, s, slow.Position(), "a")
			continue
		}
		if e.Gap != nil {
			lost += int(e.Gap.To.Offset - e.Gap.From.Offset + 1)
			last = int(e.Gap.To.Offset) - 1 // offsets count from 1, data from 0
			continue
		}
		n, _ := strconv.Atoi(strings.TrimSuffix(e.Message.Text(), filler))
		if n != last+1 {
			t.Fatalf("%d comes after %d without a gap notice", n, last)
		}
		last = n
	}
	if lost == 0 {
		t.Error("the slow reader got 16 MiB from a server that keeps a half")
	}
}

func serverStops(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	r := open(t, d, s, "now", "a")
	publish(t, s, "a", "1")
	expect(t, words(t, r, 1), "a=1")
	position := r.Position()
	s.Hub.Drain(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if d.Polls {
		return // what was retained can still be polled; the connection's end is the HTTP server's to announce
	}
	if _, err := r.Next(ctx); !errors.Is(err, ErrRestarting) {
		t.Errorf("the reader ends with %v", err)
	}
	if r.Position() != position {
		t.Errorf("the position moved from %s to %s", position, r.Position())
	}
}

func noPermission(t *testing.T, setup Setup, d Driver) {
	s := setup(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		if a.Channel == "mine" && a.Action != todoke.ActionPublish {
			return nil
		}
		return todoke.CodeForbidden
	})})
	publish(t, s, "theirs", "secret")
	publish(t, s, "mine", "1")
	for _, channels := range [][]string{{"theirs"}, {"mine", "theirs"}, {"*"}, {"**"}} {
		r, err := d.Open(t.Context(), s.URL, channels, "earliest")
		if err == nil {
			r.Close()
		}
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%v: %v", channels, err)
		}
	}
	expect(t, words(t, open(t, d, s, "earliest", "mine"), 1), "mine=1")
}

func badRequests(t *testing.T, setup Setup, d Driver) {
	s := setup(t, allowed())
	beyond := s.Hub.Head()
	beyond.Offset = 99
	for _, c := range []struct{ channel, since string }{
		{"a::b", "earliest"}, {"a b", "earliest"}, {".a", "earliest"}, {"a:**:b", "earliest"}, {strings.Repeat("a", 256), "earliest"},
		{"a", "yesterday"}, {"a", "last=0"}, {"a", "-5s"}, {"a", "K-1"}, {"a", "k3f9-01"}, {"a", beyond.String()},
	} {
		r, err := d.Open(t.Context(), s.URL, []string{c.channel}, c.since)
		if err == nil {
			r.Close()
			t.Errorf("channel %q since %q was taken", c.channel, c.since)
		}
	}
	tooMany := make([]string, todoke.MaxChannels+1)
	for i := range tooMany {
		tooMany[i] = fmt.Sprintf("c:%d", i)
	}
	if r, err := d.Open(t.Context(), s.URL, tooMany, "earliest"); err == nil {
		r.Close()
		t.Error("101 channels were taken")
	}
}
