package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
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

// ask serves a request for channel a, or those of the query.
func ask(t *testing.T, h *Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	channels := []string{"a"}
	if r.URL.Query().Has("channel") {
		channels = nil
	}
	rec := httptest.NewRecorder()
	read, err := parse(rec, r, channels)
	if err != nil {
		h.refuse(rec, r, err)
		return rec
	}
	h.ServeRead(rec, r, read)
	return rec
}

func page(t *testing.T, rec *httptest.ResponseRecorder) (p frame.Page) {
	t.Helper()
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s: %v", rec.Body, err)
	}
	if got := rec.Header().Get(PositionHeader); got != p.Position.String() || got == "" {
		t.Errorf("%s is %q, the page's position %q", PositionHeader, got, p.Position)
	}
	return p
}

func texts(t *testing.T, p frame.Page) (list []string) {
	t.Helper()
	for _, object := range p.Messages {
		m, err := object.Decode()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m.Text())
	}
	return list
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, todoke.Options{})
		h := NewHandler(hub, Options{})
		publish(t, hub, "a", "before")
		start := time.Now()
		p := page(t, ask(t, h, "GET", "/?wait=30s"))
		if took := time.Since(start); len(p.Messages) != 0 || p.More || took != 30*time.Second || p.Position != hub.Head() {
			t.Errorf("nothing came: %+v after %s", p, took)
		}
		for _, query := range []string{"?wait=30s", "?wait=30s&since=HEAD", "?channel=a&channel=b:*&wait=30s"} {
			query = strings.Replace(query, "HEAD", hub.Head().String(), 1)
			got := make(chan *httptest.ResponseRecorder, 1)
			go func() { got <- ask(t, h, "GET", "/"+query, "Prefer", "wait=5") }()
			synctest.Wait()
			publish(t, hub, "other", "x")
			synctest.Wait()
			if len(got) != 0 {
				t.Errorf("%s: another channel's message ended the wait", query)
			}
			last := publish(t, hub, "a", "now")
			rec := <-got
			p = page(t, rec)
			if !slices.Equal(texts(t, p), []string{"now"}) || p.Position != last {
				t.Errorf("%s: %+v", query, p)
			}
			if rec.Header().Get("Preference-Applied") != "" || rec.Header().Get("ETag") != "" {
				t.Errorf("%s: %v", query, rec.Header())
			}
		}
	})
}

func TestPrefer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHandler(newHub(t, todoke.Options{}), Options{})
		for wish, applied := range map[string]string{"wait=30": "wait=30", "wait=600": "wait=60"} {
			rec := ask(t, h, "GET", "/", "Prefer", wish)
			if got := rec.Header().Get("Preference-Applied"); got != applied {
				t.Errorf("Prefer: %s got %q", wish, got)
			}
		}
	})
}

func TestLongPollIsCutToTheLimit(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	for i := range 150 {
		publish(t, hub, "a", fmt.Sprint(i))
	}
	p := page(t, ask(t, h, "GET", "/?wait=5s&since=earliest"))
	if len(p.Messages) != 100 || !p.More || p.Position != p.Messages[99].ID {
		t.Errorf("%d messages, more %v, position %s", len(p.Messages), p.More, p.Position)
	}
	p = page(t, ask(t, h, "GET", "/?wait=5s&since="+p.Position.String()))
	if len(p.Messages) != 50 || p.More {
		t.Errorf("%d messages, more %v", len(p.Messages), p.More)
	}
}

func TestLargeMessagesMakeShortPages(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	h := NewHandler(hub, Options{})
	for range 6 {
		publish(t, hub, "a", strings.Repeat("x", 1<<20))
	}
	for _, query := range []string{"?since=earliest", "?since=earliest&wait=1"} {
		rec := ask(t, h, "GET", "/"+query)
		if p := page(t, rec); len(p.Messages) == 0 || len(p.Messages) > 5 || !p.More {
			t.Errorf("%s: %d messages in %d bytes, more %v", query, len(p.Messages), rec.Body.Len(), p.More)
		}
	}
}

func TestDrainEndsAWaitWithThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, todoke.Options{})
		h := NewHandler(hub, Options{})
		publish(t, hub, "a", "1")
		got := make(chan *httptest.ResponseRecorder, 1)
		go func() { got <- ask(t, h, "GET", "/?wait=30s") }()
		synctest.Wait()
		hub.Drain(5 * time.Second)
		rec := <-got
		if p := page(t, rec); len(p.Messages) != 0 || p.Position != hub.Head() || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%+v %v", p, rec.Header())
		}
		if rec := ask(t, h, "GET", "/?wait=30s"); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("a new long poll: %d %v", rec.Code, rec.Header())
		}
		if p := page(t, ask(t, h, "GET", "/")); len(p.Messages) != 1 {
			t.Errorf("a plain poll while draining: %+v", p)
		}
	})
}

func TestClientThatLeavesFreesTheWait(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	started, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		close(started)
		Serve(w, r, hub, "a")
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", server.URL+"?wait=60", nil)
	failed := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(r)
		failed <- err
	}()
	<-started
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	<-ended // long before the minute is over, or the test times out
}

func TestWaitIsNotCutByTheServersTimeouts(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Serve(w, r, hub, "a") }))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	server.Start()
	defer server.Close()
	res, err := http.Get(server.URL + "?wait=400ms")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || !json.Valid(body) {
		t.Errorf("%d %s %v", res.StatusCode, body, err)
	}
}

func TestRefusals(t *testing.T) {
	var log bytes.Buffer
	hub := newHub(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		if a.Channel == "secret" {
			return &todoke.Error{Code: todoke.CodeForbidden, Hint: "not for you"}
		}
		return nil
	})})
	h := NewHandler(hub, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	head := hub.Head()
	for _, test := range []struct {
		method, target string
		status         int
		headers        []string
	}{
		{"GET", "/?channel=secret", 403, nil},
		{"GET", "/?channel=secret&wait=1", 403, nil},
		{"HEAD", "/?channel=secret", 403, nil},
		{"GET", "/?since=" + head.Epoch + "-99", 400, nil},
		{"GET", "/?since=" + head.Epoch + "-99&wait=1", 400, nil},
		{"GET", "/?limit=0", 400, nil},
		{"POST", "/", 405, nil},
		{"GET", "/", 406, []string{"Accept", "text/html"}},
	} {
		rec := ask(t, h, test.method, test.target, test.headers...)
		if rec.Code != test.status || rec.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s: %d %s", test.method, test.target, rec.Code, rec.Body)
		}
		if (rec.Header().Get("Allow") == "GET, HEAD") != (test.status == 405) {
			t.Errorf("%s %s: Allow %q", test.method, test.target, rec.Header().Get("Allow"))
		}
	}
	if log.Len() > 0 {
		t.Errorf("a client's mistake is not the operator's matter: %s", &log)
	}
	h.refuse(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), errors.New("disk on fire"))
	if !strings.Contains(log.String(), "disk on fire") {
		t.Error("a fault of the server's is to be logged")
	}
}

func TestServeAsksNobody(t *testing.T) {
	hub := newHub(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(context.Context, todoke.Access) error { return todoke.CodeForbidden })})
	publish(t, hub, "a", "1")
	publish(t, hub, "b", "2")
	rec := httptest.NewRecorder()
	Serve(rec, httptest.NewRequest("GET", "/feed?channel=b&limit=5", nil), hub, "a")
	if got := texts(t, page(t, rec)); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the client chose: %q", got)
	}
	rec = httptest.NewRecorder()
	Serve(rec, httptest.NewRequest("GET", "/feed?channel=b", nil), hub)
	if rec.Code != 400 {
		t.Errorf("no channel was chosen: %d %s", rec.Code, rec.Body)
	}
}

func BenchmarkPollAtTheHead(b *testing.B) {
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		b.Fatal(err)
	}
	defer hub.Close()
	p, err := hub.Publish(b.Context(), todoke.Message{Channel: "a"})
	if err != nil {
		b.Fatal(err)
	}
	h := NewHandler(hub, Options{})
	r := httptest.NewRequest("GET", "/", nil)
	read := request.Read{Channels: []string{"a"}, Since: todoke.After(p.Position)}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeRead(httptest.NewRecorder(), r, read)
	}
}
