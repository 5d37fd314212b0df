package sse

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/problem"
)

func TestStream(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	everyProtocol(t, handler(h), func(t *testing.T, url string, client *http.Client) {
		before := publish(t, hub, "a", "before")
		s := open(t, client, url).opened()
		header := s.res.Header
		if s.lastID != before.String() {
			t.Errorf("it opened at %s, want %s", s.lastID, before)
		}
		if retry, _ := strconv.Atoi(s.retry); retry < 1000 || retry > 3000 {
			t.Errorf("retry: %s", s.retry)
		}
		if header.Get("Content-Type") != "text/event-stream" || header.Get("Cache-Control") != "no-cache" || header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%v", header)
		}
		if got := header.Get("Connection"); (got == "keep-alive") != (s.res.ProtoMajor == 1) || got != "" && s.res.ProtoMajor == 2 {
			t.Errorf("Connection: %q in %s", got, s.res.Proto)
		}
		p, err := hub.Publish(t.Context(), todoke.Message{Channel: "a", Event: "said", Data: []byte("one\ntwo 日本")})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.next(); got != (event{"said", p.Position.String(), "one\ntwo 日本"}) {
			t.Errorf("got %+v", got)
		}
		publish(t, hub, "other", "x")
		last := publish(t, hub, "a", strings.Repeat("y", 1<<20))
		if got := s.next(); got.id != last.String() || len(got.data) != 1<<20 {
			t.Errorf("1 MiB: %d bytes at %s", len(got.data), got.id)
		}
	})
}

func TestResume(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	everyProtocol(t, handler(NewHandler(hub, Options{})), func(t *testing.T, url string, client *http.Client) {
		first := publish(t, hub, "a", "1")
		second := publish(t, hub, "a", "2")
		for _, s := range []*stream{
			open(t, client, url+"?since="+first.String()),
			open(t, client, url, "Last-Event-ID", first.String()),
			open(t, client, url+"?since=earliest", "Last-Event-ID", first.String()),
			open(t, client, url+"?since=last=1"),
		} {
			s.opened()
			if s.lastID != first.String() {
				t.Errorf("it opened at %s, want %s", s.lastID, first)
			}
			if got := s.next(); got.id != second.String() || got.data != "2" {
				t.Errorf("got %+v", got)
			}
			_ = s.res.Body.Close()
		}
		many := open(t, client, url+"?channel=a&channel=b:*&since="+first.String()).opened()
		if got := many.next(); !strings.HasPrefix(got.data, `{"id":"`+second.String()+`","channel":"a"`) {
			t.Errorf("several channels: %+v", got)
		}
		raw := open(t, client, url+"?channel=a&channel=b:*&format=raw&since="+first.String()).opened()
		if got := raw.next(); got.data != "2" {
			t.Errorf("format=raw: %+v", got)
		}
	})
}

func TestGapComesFirst(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 1}}})
	server := httptest.NewServer(handler(NewHandler(hub, Options{})))
	t.Cleanup(server.Close) // after those of the streams
	first := publish(t, hub, "a", "1")
	lost := publish(t, hub, "a", "2")
	publish(t, hub, "a", "3")
	s := open(t, server.Client(), server.URL+"?since="+first.String()).opened()
	want := fmt.Sprintf(`{"gap":{"channel":"a","from":"%s","to":"%s"}}`, lost, lost)
	if got := s.next(); got.name != EventGap || got.data != want {
		t.Errorf("got %+v, want %s", got, want)
	}
	if got := s.next(); got.data != "3" {
		t.Errorf("got %+v", got)
	}
}

func TestKeepAliveCarriesTheHead(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	everyProtocol(t, handler(NewHandler(hub, Options{KeepAlive: 10 * time.Millisecond})), func(t *testing.T, url string, client *http.Client) {
		s := open(t, client, url).opened()
		head := publish(t, hub, "other", "x").String()
		if !s.until(func() bool { return s.lastID == head }) || len(s.dispatched) != 0 {
			t.Errorf("the position stayed at %s, want %s; dispatched %v", s.lastID, head, s.dispatched)
		}
	})
}

func TestIdleStreamOutlivesTheWriteTimeout(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{WriteTimeout: 50 * time.Millisecond, KeepAlive: 200 * time.Millisecond})
	everyProtocol(t, handler(h), func(t *testing.T, url string, client *http.Client) {
		s := open(t, client, url).opened()
		if !s.until(func() bool { return s.keptSilence == 3 }) {
			t.Errorf("it ended after %d keep-alives: %v", s.keptSilence-1, s.lines.Err())
		}
	})
}

func TestHead(t *testing.T) {
	hub := newHub(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		if a.Channel == "secret" {
			return todoke.CodeForbidden
		}
		return nil
	})})
	everyProtocol(t, handler(NewHandler(hub, Options{})), func(t *testing.T, url string, client *http.Client) {
		for path, status := range map[string]int{"": 200, "?channel=secret": 403} {
			r, _ := http.NewRequestWithContext(t.Context(), "HEAD", url+path, nil)
			r.Header.Set("Accept", "text/event-stream")
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != status || len(body) > 0 || status == 200 && res.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("%q: %d %v %q", path, res.StatusCode, res.Header, body)
			}
		}
	})
}

func TestDrain(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "h2", "h2c"} {
		hub := newHub(t, todoke.Options{})
		url, client := start(t, protocol, handler(NewHandler(hub, Options{})))
		s := open(t, client, url).opened()
		last := publish(t, hub, "a", "1")
		hub.Drain(5 * time.Second)
		if got := s.next(); got.id != last.String() {
			t.Errorf("%s: what was published before the drain: %+v", protocol, got)
		}
		s.retry = ""
		s.ended()
		if retry, err := strconv.Atoi(s.retry); err != nil || retry < 0 || retry > 5000 {
			t.Errorf("%s: retry: %q", protocol, s.retry)
		}
		late := open(t, client, url)
		late.ended()
		if late.res.StatusCode != 200 || late.retry == "" || late.lastID != hub.Head().String() {
			t.Errorf("%s: an EventSource that comes while draining: %d, retry %q, id %q", protocol, late.res.StatusCode, late.retry, late.lastID)
		}
		resumed := open(t, client, url, "Last-Event-ID", last.String())
		resumed.ended()
		if resumed.retry == "" || resumed.lastID != "" {
			t.Errorf("%s: one that has a position keeps it: retry %q, id %q", protocol, resumed.retry, resumed.lastID)
		}
	}
}

func TestErrorInMidStream(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	server := httptest.NewServer(handler(NewHandler(hub, Options{})))
	t.Cleanup(server.Close) // after those of the streams
	s := open(t, server.Client(), server.URL).opened()
	if err := hub.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.next(); got.name != EventError || !strings.Contains(got.data, `"code":"closed"`) {
		t.Errorf("got %+v", got)
	}
	s.ended()
}

func TestStalledClientIsCut(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := handler(NewHandler(hub, Options{WriteTimeout: 100 * time.Millisecond, KeepAlive: time.Hour}))
	ended := make(chan struct{}, 3)
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		ended <- struct{}{}
	})
	everyProtocol(t, watched, func(t *testing.T, url string, client *http.Client) {
		open(t, client, url).opened()
		large := strings.Repeat("x", 1<<20)
		timeout := time.After(30 * time.Second)
		for {
			publish(t, hub, "a", large) // until every buffer between here and the client is full
			select {
			case <-ended:
				return
			case <-timeout:
				t.Fatal("the stream of a client that takes nothing goes on")
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
}

func TestClientThatLeavesEndsTheStream(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	ended := make(chan struct{}, 1)
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Serve(w, r, hub, "a")
		ended <- struct{}{}
	})
	everyProtocol(t, watched, func(t *testing.T, url string, client *http.Client) {
		s := open(t, client, url).opened()
		_ = s.res.Body.Close()
		<-ended
	})
}

func TestServersTimeoutsDoNotCutAStream(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	server := httptest.NewUnstartedServer(handler(NewHandler(hub, Options{KeepAlive: 20 * time.Millisecond})))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	server.Start()
	t.Cleanup(server.Close) // after those of the streams
	s := open(t, server.Client(), server.URL).opened()
	if !s.until(func() bool { return s.keptSilence > 10 }) { // 200 ms
		t.Errorf("it ended after %d keep-alives: %v", s.keptSilence, s.lines.Err())
	}
}

// wrapped hides all but what http.ResponseController looks for, as most middleware does.
type wrapped struct{ w http.ResponseWriter }

func (w wrapped) Header() http.Header         { return w.w.Header() }
func (w wrapped) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w wrapped) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w wrapped) Unwrap() http.ResponseWriter { return w.w }

// flusher is what middleware did before there was Unwrap.
type flusher struct {
	http.ResponseWriter
	http.Flusher
}

// opaque offers neither.
type opaque struct{ http.ResponseWriter }

func TestWrappedWriters(t *testing.T) {
	var log bytes.Buffer
	hub := newHub(t, todoke.Options{})
	h := handler(NewHandler(hub, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	for _, test := range []struct {
		name string
		wrap func(w http.ResponseWriter) http.ResponseWriter
		ok   bool
	}{
		{"Unwrap, twice", func(w http.ResponseWriter) http.ResponseWriter { return wrapped{wrapped{w}} }, true},
		{"Flusher", func(w http.ResponseWriter) http.ResponseWriter { return flusher{w, w.(http.Flusher)} }, true},
		{"neither", func(w http.ResponseWriter) http.ResponseWriter { return opaque{w} }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(test.wrap(w), r) }))
			t.Cleanup(server.Close) // after those of the streams
			s := open(t, server.Client(), server.URL)
			if !test.ok {
				if s.res.StatusCode != 500 || !strings.Contains(log.String(), "Unwrap") {
					t.Errorf("%d; logged: %s", s.res.StatusCode, &log)
				}
				return
			}
			s.opened()
			publish(t, hub, "a", "1")
			if got := s.next(); got.data != "1" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	hub := newHub(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(context.Context, todoke.Access) error { return todoke.CodeForbidden })})
	h := handler(NewHandler(hub, Options{}))
	for _, test := range []struct {
		method, target, accept string
		status                 int
	}{
		{"GET", "/", "text/event-stream", 403},
		{"GET", "/?since=x", "text/event-stream", 400},
		{"GET", "/?format=xml", "", 400},
		{"GET", "/", "application/json", 406},
		{"POST", "/", "", 405},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		r.Header.Set("Accept", test.accept)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != test.status || rec.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s: %d %v %s", test.method, test.target, rec.Code, rec.Header(), rec.Body)
		}
	}
}

func TestServeAsksNobody(t *testing.T) {
	hub := newHub(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(context.Context, todoke.Access) error { return todoke.CodeForbidden })})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			Serve(w, r, hub)
			return
		}
		Serve(w, r, hub, "a")
	}))
	t.Cleanup(server.Close) // after those of the streams
	s := open(t, server.Client(), server.URL+"?channel=b").opened()
	publish(t, hub, "b", "not this")
	publish(t, hub, "a", "this")
	if got := s.next(); got.data != "this" {
		t.Errorf("%+v", got)
	}
	if s := open(t, server.Client(), server.URL+"/none?channel=b"); s.res.StatusCode != 400 {
		t.Errorf("no channel was chosen: %d", s.res.StatusCode)
	}
}

func TestHTTP10(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	server := httptest.NewServer(handler(NewHandler(hub, Options{})))
	t.Cleanup(server.Close) // after those of the streams
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.EqualFold(res.Header.Get("Connection"), "keep-alive") {
		t.Errorf("HTTP/1.0 ends a stream by closing: %v", res.Header)
	}
	s := &stream{t: t, res: res, lines: bufio.NewScanner(res.Body)}
	s.opened()
	publish(t, hub, "a", "1")
	if got := s.next(); got.data != "1" {
		t.Errorf("%+v", got)
	}
}

func TestJitterSpreads(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 100 {
		d := jitter(2 * time.Second)
		if d < time.Second || d > 3*time.Second {
			t.Fatalf("%s", d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d different times", len(seen))
	}
}
