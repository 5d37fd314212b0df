package request

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func get(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func position(text string) todoke.Since {
	p, err := todoke.ParsePosition(text)
	if err != nil {
		panic(err)
	}
	return todoke.After(p)
}

func TestParseRead(t *testing.T) {
	one := []string{"a"}
	for _, test := range []struct {
		name     string
		request  *http.Request
		channels []string // of the path
		want     Read
	}{
		{"nothing", get("/"), one, Read{Channels: one}},
		{"a pattern in the path", get("/"), []string{"a:*"}, Read{Channels: []string{"a:*"}, Many: true}},
		{"channels of the query", get("/?channel=a&channel=b:**"), nil, Read{Channels: []string{"a", "b:**"}, Many: true}},
		{"one channel of the query", get("/?channel=a"), nil, Read{Channels: one}},
		{"the same channel twice", get("/?channel=a&channel=a"), nil, Read{Channels: one}},
		{"percent-encoded", get("/?channel=a%3Ab%40c"), nil, Read{Channels: []string{"a:b@c"}}},
		{"a position", get("/?since=k3f9-7"), one, Read{Channels: one, Since: position("k3f9-7")}},
		{"a word", get("/?since=earliest"), one, Read{Channels: one, Since: todoke.Earliest()}},
		{"last", get("/?since=last=5"), one, Read{Channels: one, Since: todoke.Last(5)}},
		{"last, encoded", get("/?since=last%3D5"), one, Read{Channels: one, Since: todoke.Last(5)}},
		{"an age", get("/?since=90s"), one, Read{Channels: one, Since: todoke.Within(90 * time.Second)}},
		{"an empty since", get("/?since=&limit=&wait=&format="), one, Read{Channels: one}},
		{"Last-Event-ID wins", get("/?since=k3f9-7", "Last-Event-ID", "k3f9-9"), one, Read{Channels: one, Since: position("k3f9-9")}},
		{"Last-Event-ID wins over what is wrong", get("/?since=nonsense", "Last-Event-ID", "k3f9-9"), one, Read{Channels: one, Since: position("k3f9-9")}},
		{"an empty Last-Event-ID", get("/?since=k3f9-7", "Last-Event-ID", ""), one, Read{Channels: one, Since: position("k3f9-7")}},
		{"a polyfill's parameter", get("/?since=k3f9-7&lastEventId=k3f9-8"), one, Read{Channels: one, Since: position("k3f9-8")}},
		{"limit", get("/?limit=1000"), one, Read{Channels: one, Limit: 1000}},
		{"wait", get("/?wait=1.5s"), one, Read{Channels: one, Wait: 1500 * time.Millisecond}},
		{"wait in seconds", get("/?wait=30"), one, Read{Channels: one, Wait: 30 * time.Second}},
		{"wait of nothing", get("/?wait=0"), one, Read{Channels: one}},
		{"wait is cut", get("/?wait=1h"), one, Read{Channels: one, Wait: time.Minute}},
		{"wait is cut, in seconds", get("/?wait=4294967295"), one, Read{Channels: one, Wait: time.Minute}},
		{"Prefer", get("/", "Prefer", "wait=30"), one, Read{Channels: one, Wait: 30 * time.Second, Preferred: true}},
		{"Prefer among others", get("/", "Prefer", "respond-async; foo=1", "Prefer", `x="y", Wait = "10" ; z`), one, Read{Channels: one, Wait: 10 * time.Second, Preferred: true}},
		{"Prefer is cut", get("/", "Prefer", "wait=300"), one, Read{Channels: one, Wait: time.Minute, Preferred: true}},
		{"Prefer that makes no sense", get("/", "Prefer", "wait=soon"), one, Read{Channels: one}},
		{"Prefer, and the first counts", get("/", "Prefer", "wait=5, wait=6"), one, Read{Channels: one, Wait: 5 * time.Second, Preferred: true}},
		{"wait and Prefer", get("/?wait=5s", "Prefer", "wait=30"), one, Read{Channels: one, Wait: 5 * time.Second}},
		{"format", get("/?format=message"), one, Read{Channels: one, Format: "message"}},
		{"a channel besides the path's", get("/?channel=b"), one, Read{Channels: one}},
		{"what is not known is ignored", get("/?access_token=x&colour=red"), one, Read{Channels: one}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseRead(test.request, test.channels)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestParseReadRefuses(t *testing.T) {
	one := []string{"a"}
	for _, test := range []struct {
		request  *http.Request
		channels []string
		code     todoke.Code
		field    string
	}{
		{get("/"), nil, todoke.CodeInvalidChannel, "channel"},
		{get("/?channel="), nil, todoke.CodeInvalidChannel, "channel"},
		{get("/?channel=a::b"), nil, todoke.CodeInvalidChannel, "channel"},
		{get("/?channel=b"), []string{}, todoke.CodeInvalidChannel, "channel"}, // somebody's empty choice is not the client's
		{get("/"), []string{"a b"}, todoke.CodeInvalidChannel, "channel"},
		{get("/?" + strings.Repeat("channel=a&", 101)), nil, todoke.CodeTooManyChannels, "channel"},
		{get("/?since=yesterday"), one, todoke.CodeInvalidSince, "since"},
		{get("/?since=last=0"), one, todoke.CodeInvalidSince, "since"},
		{get("/?since=-5s"), one, todoke.CodeInvalidSince, "since"},
		{get("/?since=K3-1"), one, todoke.CodeInvalidPosition, "since"},
		{get("/?since=a-1&since=a-2"), one, todoke.CodeInvalidParameter, "since"},
		{get("/", "Last-Event-ID", "earliest"), one, todoke.CodeInvalidPosition, "Last-Event-ID"},
		{get("/?lastEventId=x"), one, todoke.CodeInvalidPosition, "lastEventId"},
		{get("/", "Last-Event-ID", "k3f9-3~1~xj.0~1~rg"), one, todoke.CodeInvalidPosition, "Last-Event-ID"},
		{get("/?since=k3f9-3~1~xj"), one, todoke.CodeInvalidPosition, "since"},
		{get("/?limit=0"), one, todoke.CodeInvalidParameter, "limit"},
		{get("/?limit=1001"), one, todoke.CodeInvalidParameter, "limit"},
		{get("/?limit=ten"), one, todoke.CodeInvalidParameter, "limit"},
		{get("/?wait=soon"), one, todoke.CodeInvalidParameter, "wait"},
		{get("/?wait=-1s"), one, todoke.CodeInvalidParameter, "wait"},
		{get("/?format=xml"), one, todoke.CodeInvalidParameter, "format"},
		{get("/?a=%zz"), one, todoke.CodeInvalidParameter, "query"},
	} {
		_, err := ParseRead(test.request, test.channels)
		if !errors.Is(err, test.code) || todoke.AsError(err).Field != test.field || todoke.AsError(err).Hint == "" {
			t.Errorf("%s: %v; want %s at %s", test.request.URL, err, test.code, test.field)
		}
	}
}

func TestAccept(t *testing.T) {
	for _, test := range []struct{ accept, want string }{
		{"", JSON},
		{"*/*", JSON},
		{"text/event-stream", EventStream},
		{"Text/Event-Stream; charset=utf-8", EventStream},
		{"application/json", JSON},
		{"application/*", JSON},
		{"text/*", EventStream},
		{"text/event-stream, */*", EventStream},
		{"*/*, text/event-stream", EventStream},
		{"text/event-stream, application/json", EventStream},
		{"application/json, text/event-stream", JSON},
		{"application/json;q=0.5, text/event-stream;q=0.4", JSON},
		{"application/json;q=0.4, text/event-stream;q=0.5", EventStream},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON},
		{"*/*, application/json;q=0", EventStream},
		{"text/html", ""},
		{"text/event-stream;q=0", ""},
		{"application/json;q=2", JSON}, // not well formed, so there is no wish
		{"nonsense", JSON},
		{"nonsense, text/html", ""},
		{"application/json;q=NaN, text/event-stream", EventStream},
	} {
		r := get("/")
		if test.accept != "" {
			r.Header.Set("Accept", test.accept)
		}
		got, err := Accept(r, JSON, EventStream)
		if got != test.want || (test.want == "") != errors.Is(err, todoke.CodeNotAcceptable) {
			t.Errorf("%q: %q, %v; want %q", test.accept, got, err, test.want)
		}
	}
}

func TestIsWebSocket(t *testing.T) {
	for _, test := range []struct {
		r    *http.Request
		want bool
	}{
		{get("/", "Upgrade", "websocket", "Connection", "Upgrade"), true},
		{get("/", "Upgrade", "h2c, WebSocket"), true},
		{get("/", "Upgrade", "h2c"), false},
		{get("/"), false},
		{httptest.NewRequest("POST", "/", nil), false},
	} {
		if got := IsWebSocket(test.r); got != test.want {
			t.Errorf("%v: %v", test.r.Header, got)
		}
	}
}

func FuzzParseRead(f *testing.F) {
	f.Add("channel=a&since=last=5&limit=3&wait=30s&format=raw", "text/event-stream;q=0.5, */*", "k3f9-1", "wait=10; x, y")
	f.Add("channel=%61&wait=-1", "", "", "")
	f.Fuzz(func(t *testing.T, query, accept, lastEventID, prefer string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{}}
		r.Header.Set("Accept", accept)
		r.Header.Set("Last-Event-ID", lastEventID)
		r.Header.Set("Prefer", prefer)
		if offer, err := Accept(r, JSON, EventStream); err == nil && offer != JSON && offer != EventStream {
			t.Errorf("%q is no offer", offer)
		}
		read, err := ParseRead(r, nil)
		if err != nil {
			if e := todoke.AsError(err); e.Code == todoke.CodeInternal || e.Field == "" {
				t.Errorf("the error names no field: %v", err)
			}
			return
		}
		if len(read.Channels) == 0 || slices.ContainsFunc(read.Channels, func(c string) bool { return todoke.ValidatePattern(c) != nil }) ||
			read.Wait < 0 || read.Wait > MaxWait || read.Limit < 0 || read.Limit > todoke.MaxHistoryLimit {
			t.Errorf("%+v", read)
		}
	})
}
