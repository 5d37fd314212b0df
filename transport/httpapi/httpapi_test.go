package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/problem"
)

// A world is a hub behind the handler on a server that speaks one protocol.
type world struct {
	*testing.T
	hub    *todoke.Hub
	url    string
	client *http.Client
}

var protocols = []string{"HTTP/1.1", "h2", "h2c"}

func everyProtocol(t *testing.T, hubOptions todoke.Options, o httpapi.Options, run func(w world)) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { run(newWorld(t, protocol, hubOptions, o)) })
	}
}

func newWorld(t *testing.T, protocol string, hubOptions todoke.Options, o httpapi.Options) world {
	t.Helper()
	if hubOptions.Authorizer == nil {
		hubOptions.Authorizer = todoke.AllowAll
	}
	hub, err := todoke.New(hubOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	server := httptest.NewUnstartedServer(httpapi.New(hub, o))
	var client *http.Client
	switch protocol {
	case "h2":
		server.EnableHTTP2 = true
		server.StartTLS()
		client = server.Client()
	case "h2c":
		only := new(http.Protocols)
		only.SetUnencryptedHTTP2(true)
		server.Config.Protocols = only
		server.Start()
		client = &http.Client{Transport: &http.Transport{Protocols: only}}
	default:
		server.Start()
		client = server.Client()
	}
	client.Timeout = 30 * time.Second
	t.Cleanup(server.Close)
	t.Cleanup(client.CloseIdleConnections)
	return world{t, hub, server.URL, client}
}

// An answer is a response that was read to its end.
type answer struct {
	*http.Response
	body string
}

func (w world) do(method, path, body string, headers ...string) answer {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := w.client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{res, string(text)}
}

func decode[T any](t testing.TB, a answer) (v T) {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return v
}

// refused checks a problem document.
func (w world) refused(a answer, status int, code todoke.Code, field string) {
	w.Helper()
	var p problem.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.Header.Get("Content-Type") != problem.ContentType {
		w.Errorf("no problem document: %d %v %q", a.StatusCode, a.Header, a.body)
		return
	}
	if a.StatusCode != status || p.Status != status || p.Code != code || p.Field != field || p.Detail == "" {
		w.Errorf("got %d %+v; want %d %s at %q", a.StatusCode, p, status, code, field)
	}
}

func (w world) newest(channel string) *todoke.Message {
	w.Helper()
	page, err := w.hub.History(w.Context(), todoke.Query{Channels: []string{channel}, Since: todoke.Last(1)})
	if err != nil || len(page.Messages) != 1 {
		w.Fatalf("%+v %v", page, err)
	}
	return page.Messages[0]
}

func TestReadingIsNegotiated(t *testing.T) {
	everyProtocol(t, todoke.Options{}, httpapi.Options{}, func(w world) {
		first := decode[frame.Published](w, w.do("POST", "/v1/channels/a/messages", "1"))
		decode[frame.Published](w, w.do("POST", "/v1/channels/b:x/messages", "2"))
		for path, want := range map[string]int{
			"/v1/channels/a/messages": 1, "/v1/channels/b:*/messages": 1, "/v1/messages?channel=a&channel=b:**": 2,
			"/v1/messages?channel=a": 1, "/v1/channels/a%3Ab/messages": 0,
		} {
			if p := decode[frame.Page](w, w.do("GET", path, "")); len(p.Messages) != want || p.Position != w.hub.Head() {
				w.Errorf("%s: %+v", path, p)
			}
		}
		long := w.do("GET", "/v1/channels/a/messages?since=earliest", "", "Prefer", "wait=5")
		if p := decode[frame.Page](w, long); len(p.Messages) != 1 || long.Header.Get("Preference-Applied") != "wait=5" {
			w.Errorf("long poll: %s %v", long.body, long.Header)
		}
		if p := decode[frame.Page](w, w.do("GET", "/v1/messages?channel=a&wait=20ms", "")); len(p.Messages) != 0 {
			w.Errorf("a long poll without since starts now: %+v", p)
		}
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "GET", w.url+"/v1/messages?channel=a&channel=b:*&since="+first.ID.String(), nil)
		r.Header.Set("Accept", "text/event-stream")
		res, err := w.client.Do(r)
		if err != nil {
			w.Fatal(err)
		}
		defer res.Body.Close()
		if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
			w.Errorf("Content-Type %q", got)
		}
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), `data: {"id"`) {
		}
		if want := `"channel":"b:x"`; !strings.Contains(lines.Text(), want) {
			w.Errorf("SSE of several channels: %q has no %s", lines.Text(), want)
		}
	})
}

func TestReadingRefuses(t *testing.T) {
	everyProtocol(t, todoke.Options{}, httpapi.Options{}, func(w world) {
		for _, test := range []struct {
			path, accept string
			status       int
			code         todoke.Code
			field        string
		}{
			{"/v1/messages", "", 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/messages?" + strings.Repeat("channel=a&", 101), "", 400, todoke.CodeTooManyChannels, "channel"},
			{"/v1/channels/a:**:b/messages", "", 400, todoke.CodeInvalidChannel, "channel"},
			{"/v1/channels/a/messages?since=yesterday", "", 400, todoke.CodeInvalidSince, "since"},
			{"/v1/channels/a/messages?since=A-1", "", 400, todoke.CodeInvalidPosition, "since"},
			{"/v1/channels/a/messages?limit=5000", "", 400, todoke.CodeInvalidParameter, "limit"},
			{"/v1/channels/a/messages?wait=x", "", 400, todoke.CodeInvalidParameter, "wait"},
			{"/v1/channels/a/messages?format=x", "text/event-stream", 400, todoke.CodeInvalidParameter, "format"},
			{"/v1/channels/a/messages", "text/html", 406, todoke.CodeNotAcceptable, "Accept"},
			{"/v1/nothing", "", 404, todoke.CodeNotFound, ""},
			{"/v1/", "", 404, todoke.CodeNotFound, ""},
			{"/v1/channels/a", "", 404, todoke.CodeNotFound, ""},
			{"/v1/channels/a/messages/", "", 404, todoke.CodeNotFound, ""},
			{"/v1/channels/a/b/messages", "", 404, todoke.CodeNotFound, ""},
		} {
			var headers []string
			if test.accept != "" {
				headers = []string{"Accept", test.accept}
			}
			w.refused(w.do("GET", test.path, "", headers...), test.status, test.code, test.field)
		}
	})
}

func TestMethods(t *testing.T) {
	everyProtocol(t, todoke.Options{}, httpapi.Options{}, func(w world) {
		for path, allow := range map[string]string{
			"/v1/channels/a/messages": "GET, HEAD, POST, OPTIONS",
			"/v1/messages?channel=a":  "GET, HEAD, OPTIONS",
			"/v1/publish":             "POST, OPTIONS",
			"/v1/connect":             "GET, OPTIONS",
		} {
			a := w.do("OPTIONS", path, "")
			if a.StatusCode != 204 || a.Header.Get("Allow") != allow || a.body != "" {
				w.Errorf("OPTIONS %s: %d %v", path, a.StatusCode, a.Header)
			}
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				if slices.Contains(strings.Split(allow, ", "), method) {
					continue
				}
				a := w.do(method, path, "")
				w.refused(a, 405, todoke.CodeMethodNotAllowed, "")
				if a.Header.Get("Allow") != allow {
					w.Errorf("%s %s: Allow %q", method, path, a.Header.Get("Allow"))
				}
			}
		}
		for _, accept := range []string{"*/*", "text/event-stream"} {
			if a := w.do("HEAD", "/v1/channels/a/messages", "", "Accept", accept); a.StatusCode != 200 || a.body != "" {
				w.Errorf("HEAD, %s: %d %q", accept, a.StatusCode, a.body)
			}
		}
		if a := w.do("OPTIONS", "/v1/nothing", ""); a.StatusCode != 404 {
			w.Errorf("OPTIONS of nothing: %d", a.StatusCode)
		}
	})
}

func TestWebSocketsGoToTheirHandlers(t *testing.T) {
	w := newWorld(t, "HTTP/1.1", todoke.Options{}, httpapi.Options{AllowedOrigins: []string{"https://app.example.com"}})
	dial := func(path, origin string) (*coder.Conn, *http.Response, error) {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		return coder.Dial(t.Context(), w.url+path, &coder.DialOptions{HTTPHeader: header})
	}
	stream, _, err := dial("/v1/channels/a/messages?since=earliest", "https://app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.CloseNow()
	if _, text, err := stream.Read(t.Context()); err != nil || string(text) != `{"position":"`+w.hub.Head().String()+`"}` {
		t.Errorf("a stream opens with %s, %v", text, err)
	}
	session, _, err := dial("/v1/connect", "")
	if err != nil {
		t.Fatal(err)
	}
	defer session.CloseNow()
	if err := session.Write(t.Context(), coder.MessageText, []byte(`{"id":1,"publish":{"channel":"a","data":"hi"}}`)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := session.Read(t.Context()); err != nil || !strings.HasPrefix(string(text), `{"id":1,"published":{`) {
		t.Errorf("a session answers %s, %v", text, err)
	}
	if _, text, err := stream.Read(t.Context()); err != nil || !strings.Contains(string(text), `"data":"hi"`) {
		t.Errorf("the stream got %s, %v", text, err)
	}
	for path, status := range map[string]int{"/v1/channels/a::b/messages": 400, "/v1/messages": 400} {
		if _, res, err := dial(path, ""); err == nil || res.StatusCode != status {
			t.Errorf("%s: %v, %v", path, res, err)
		}
	}
	if _, res, err := dial("/v1/connect", "https://evil.example"); err == nil || res.StatusCode != 403 {
		t.Errorf("another origin: %v, %v", res, err)
	}
}

func TestNobodyGetsInWithoutAnAuthorizer(t *testing.T) {
	hub, err := todoke.New(todoke.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	h := httpapi.New(hub, httpapi.Options{})
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/v1/channels/a/messages", nil),
		httptest.NewRequest("GET", "/v1/channels/a/messages?wait=1", nil),
		httptest.NewRequest("POST", "/v1/channels/a/messages", nil),
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 403 {
			t.Errorf("%s %s: %d", r.Method, r.URL, rec.Code)
		}
	}
}
