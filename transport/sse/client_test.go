package sse

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func newHub(t *testing.T, o todoke.Options) *todoke.Hub {
	t.Helper()
	if o.Authorizer == nil {
		o.Authorizer = todoke.AllowAll
	}
	hub, err := todoke.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	return hub
}

func publish(t *testing.T, hub *todoke.Hub, channel string, texts ...string) (last todoke.Position) {
	t.Helper()
	for _, text := range texts {
		p, err := hub.Publish(t.Context(), todoke.Message{Channel: channel, Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		last = p.Position
	}
	return last
}

// handler makes h an http.Handler of channel a, or of those in the query.
func handler(h *Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		channels := []string{"a"}
		if r.URL.Query().Has("channel") {
			channels = nil
		}
		read, err := parse(w, r, channels)
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		h.ServeRead(w, r, read)
	})
}

// everyProtocol runs a test over HTTP/1.1, HTTP/2 with TLS, and HTTP/2 in the clear.
func everyProtocol(t *testing.T, h http.Handler, run func(t *testing.T, url string, client *http.Client)) {
	for _, name := range []string{"HTTP/1.1", "h2", "h2c"} {
		t.Run(name, func(t *testing.T) {
			url, client := start(t, name, h)
			run(t, url, client)
		})
	}
}

func start(t *testing.T, protocol string, h http.Handler) (url string, client *http.Client) {
	server := httptest.NewUnstartedServer(h)
	switch protocol {
	case "h2":
		server.EnableHTTP2 = true
		server.StartTLS()
		client = server.Client()
	case "h2c":
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		server.Config.Protocols = protocols
		server.Start()
		client = &http.Client{Transport: &http.Transport{Protocols: protocols}}
	default:
		server.Start()
		client = server.Client()
	}
	t.Cleanup(server.Close)
	t.Cleanup(client.CloseIdleConnections)
	return server.URL, client
}

// A stream is a client's end.
type stream struct {
	t     *testing.T
	res   *http.Response
	lines *bufio.Scanner
	parser
}

func open(t *testing.T, client *http.Client, url string, headers ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	return &stream{t: t, res: res, lines: lines}
}

// until reads lines until the condition holds; it reports whether the stream lasted so long.
func (s *stream) until(condition func() bool) bool {
	for !condition() {
		if !s.lines.Scan() {
			return false
		}
		s.feed(s.lines.Text())
	}
	return true
}

func (s *stream) opened() *stream {
	s.t.Helper()
	if !s.until(func() bool { return s.keptSilence == 1 }) || s.lastID == "" || s.retry == "" {
		s.t.Fatalf("the stream did not open: %d %+v %v", s.res.StatusCode, s.parser.dispatched, s.lines.Err())
	}
	return s
}

func (s *stream) next() event {
	s.t.Helper()
	n := len(s.dispatched)
	if !s.until(func() bool { return len(s.dispatched) > n }) {
		s.t.Fatalf("the stream ended: %v", s.lines.Err())
	}
	return s.dispatched[n]
}

func (s *stream) ended() {
	s.t.Helper()
	n := len(s.dispatched)
	if s.until(func() bool { return len(s.dispatched) > n }) {
		s.t.Fatalf("another event instead of the end: %+v", s.dispatched[n])
	}
	if s.lines.Err() != nil {
		s.t.Errorf("the stream broke off: %v", s.lines.Err())
	}
}
