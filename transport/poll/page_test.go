package poll

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func TestPages(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	empty := page(t, ask(t, h, "GET", "/"))
	if empty.Messages == nil || len(empty.Messages) != 0 || empty.More {
		t.Errorf("an empty channel: %+v", empty)
	}
	publish(t, hub, "a", "1", "2")
	publish(t, hub, "b:x", "3")
	publish(t, hub, "a", "4", "5")
	for _, test := range []struct {
		query string
		want  []string
		more  bool
	}{
		{"", []string{"1", "2", "4", "5"}, false},
		{"?limit=2", []string{"1", "2"}, true},
		{"?since=last=1", []string{"5"}, false},
		{"?since=1h", []string{"1", "2", "4", "5"}, false},
		{"?since=now", nil, false},
		{"?channel=a&channel=b:*", []string{"1", "2", "3", "4", "5"}, false},
		{"?channel=a&channel=b:*&limit=3", []string{"1", "2", "3"}, true},
		{"?channel=b:**", []string{"3"}, false},
	} {
		p := page(t, ask(t, h, "GET", "/"+test.query))
		if got := texts(t, p); !slices.Equal(got, test.want) || p.More != test.more {
			t.Errorf("%q: %q, more %v", test.query, got, p.More)
		}
	}
}

func TestWalkingMeetsEachMessageOnce(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	var want []string
	for i := range 57 {
		want = append(want, fmt.Sprint(i))
		publish(t, hub, "a", want[i])
		publish(t, hub, "other", "x")
	}
	for _, wait := range []string{"", "&wait=1"} {
		var got []string
		for since := "earliest"; ; {
			p := page(t, ask(t, h, "GET", "/?limit=10&since="+since+wait))
			got = append(got, texts(t, p)...)
			since = p.Position.String()
			if !p.More {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("wait %q: %q", wait, got)
		}
	}
}

func TestGaps(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 1}}})
	h := NewHandler(hub, Options{})
	first := publish(t, hub, "a", "1")
	publish(t, hub, "b", "1")
	publish(t, hub, "a", "2", "3")
	publish(t, hub, "b", "2", "3")
	for _, wait := range []string{"", "&wait=1"} {
		p := page(t, ask(t, h, "GET", "/?since="+first.String()+wait))
		if p.Gap == nil || p.Gap.Channel != "a" || p.Gaps != nil || !slices.Equal(texts(t, p), []string{"3"}) {
			t.Errorf("one channel: %+v", p)
		}
		p = page(t, ask(t, h, "GET", "/?channel=a&channel=b&since="+first.String()+wait))
		if p.Gap == nil || len(p.Gaps) != 2 || *p.Gap != p.Gaps[0] || !slices.Equal(texts(t, p), []string{"3", "3"}) {
			t.Errorf("two channels: %+v", p)
		}
		p = page(t, ask(t, h, "GET", "/?since=other-7"+wait))
		if p.Gap == nil || p.Gap.From.String() != "other-7" || !slices.Equal(texts(t, p), []string{"3"}) {
			t.Errorf("another epoch: %+v", p)
		}
	}
	if p := page(t, ask(t, h, "GET", "/")); p.Gap != nil {
		t.Errorf("a poll without since asks for what is there: %+v", p)
	}
}

func TestCaching(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h, public := NewHandler(hub, Options{}), NewHandler(hub, Options{Public: true})
	start := hub.Head().String()
	publish(t, hub, "a", "1", "2", "3")
	for _, test := range []struct{ query, private, public string }{
		{"", "private, no-cache", "no-cache"},
		{"?since=" + start, "private, no-cache", "no-cache"},              // at the head
		{"?since=" + start + "&limit=3", "private, no-cache", "no-cache"}, // full, but the head may yet come to lie behind it
		{"?since=earliest&limit=2", "private, no-cache", "no-cache"},      // what is earliest changes
		{"?since=other-1&limit=2", "private, no-cache", "no-cache"},       // has a gap
		{"?since=" + start + "&wait=1", "no-store", "no-store"},           // a long poll
		{"?since=" + start + "&limit=2", "private, max-age=86400, immutable", "public, max-age=86400, immutable"},
	} {
		if got := ask(t, h, "GET", "/"+test.query).Header().Get("Cache-Control"); got != test.private {
			t.Errorf("%q: %q, want %q", test.query, got, test.private)
		}
		if got := ask(t, public, "GET", "/"+test.query).Header().Get("Cache-Control"); got != test.public {
			t.Errorf("public, %q: %q, want %q", test.query, got, test.public)
		}
	}
	if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "ttl", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, "ttl", "x")
	if got := ask(t, public, "GET", "/?channel=ttl&limit=1&since="+start).Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("a page whose messages will expire: %q", got)
	}
	vary := ask(t, h, "GET", "/").Header().Get("Vary")
	if !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "Accept") {
		t.Errorf("Vary: %q", vary)
	}
	if vary := ask(t, public, "GET", "/").Header().Get("Vary"); strings.Contains(vary, "Authorization") {
		t.Errorf("public, Vary: %q", vary)
	}
}

func TestRevalidation(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	publish(t, hub, "a", "1")
	first := ask(t, h, "GET", "/")
	tag := first.Header().Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("ETag %q", tag)
	}
	publish(t, hub, "other", "x") // moves the head, and not this channel
	for _, header := range []string{tag, strings.TrimPrefix(tag, "W/"), `"x", ` + tag, "*"} {
		rec := ask(t, h, "GET", "/", "If-None-Match", header)
		if rec.Code != http.StatusNotModified || rec.Body.Len() != 0 || rec.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match: %s got %d %v", header, rec.Code, rec.Header())
		}
		if got := rec.Header().Get(PositionHeader); got != hub.Head().String() {
			t.Errorf("a 304 has the position %q, want the head %q", got, hub.Head())
		}
	}
	if rec := ask(t, h, "GET", "/", "If-None-Match", `W/"other"`); rec.Code != http.StatusOK {
		t.Errorf("another tag got %d", rec.Code)
	}
	publish(t, hub, "a", "2")
	rec := ask(t, h, "GET", "/", "If-None-Match", tag)
	if rec.Code != http.StatusOK || rec.Header().Get("ETag") == tag {
		t.Errorf("after a message: %d, ETag %s", rec.Code, rec.Header().Get("ETag"))
	}
}

func TestHead(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	publish(t, hub, "a", "1")
	get, head := ask(t, h, "GET", "/"), ask(t, h, "HEAD", "/")
	if head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d %q", head.Code, head.Body)
	}
	for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Cache-Control", PositionHeader} {
		if g, h := get.Header().Get(name), head.Header().Get(name); g != h || g == "" {
			t.Errorf("%s: GET %q, HEAD %q", name, g, h)
		}
	}
	if rec := ask(t, h, "HEAD", "/?wait=30s"); rec.Code != 200 || rec.Header().Get(PositionHeader) != hub.Head().String() {
		t.Errorf("HEAD of a long poll: %d %v", rec.Code, rec.Header())
	}
}
