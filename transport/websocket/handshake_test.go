package websocket_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/websocket"
)

func TestWhatIsWrongBeforeTheUpgradeIsAProblemDocument(t *testing.T) {
	onBoth(t, testWhatIsWrongBeforeTheUpgradeIsAProblemDocument)
}

func testWhatIsWrongBeforeTheUpgradeIsAProblemDocument(t *testing.T, links kind) {
	rule := todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		switch a.Channel {
		case "secret":
			return &todoke.Error{Code: todoke.CodeForbidden, Hint: "not for you"}
		case "members":
			return &todoke.Error{Code: todoke.CodeUnauthenticated, Hint: "log in"}
		}
		return nil
	})
	s := newSite(t, links, todoke.Options{Authorizer: rule}, websocket.Options{AllowedOrigins: []string{"https://app.example.com", "Other.example:8443"}})
	own := s.server.URL
	for _, c := range []struct {
		name   string
		path   string
		header []string
		status int
		code   todoke.Code
		field  string
	}{
		{"a plain GET", "/session", []string{"Upgrade", "", "Connection", ""}, 400, todoke.CodeInvalidParameter, "Upgrade"},
		{"no Connection", "/session", []string{"Connection", "keep-alive"}, 400, todoke.CodeInvalidParameter, "Upgrade"},
		{"another protocol", "/stream?channel=a", []string{"Upgrade", "h2c"}, 400, todoke.CodeInvalidParameter, "Upgrade"},
		{"an old version", "/session", []string{"Sec-WebSocket-Version", "8"}, 400, todoke.CodeInvalidParameter, "Sec-WebSocket-Version"},
		{"no key", "/session", []string{"Sec-WebSocket-Key", ""}, 400, todoke.CodeInvalidParameter, "Sec-WebSocket-Key"},
		{"a short key", "/session", []string{"Sec-WebSocket-Key", "AAAA"}, 400, todoke.CodeInvalidParameter, "Sec-WebSocket-Key"},
		{"a wrong method", "/session", []string{"Method", "POST"}, 405, todoke.CodeMethodNotAllowed, ""},
		{"an own page", "/session", []string{"Origin", own}, 101, "", ""},
		{"an allowed page", "/session", []string{"Origin", "https://app.example.com"}, 101, "", ""},
		{"an allowed page, case aside", "/session", []string{"Origin", "https://APP.example.com"}, 101, "", ""},
		{"an allowed host", "/stream?channel=a", []string{"Origin", "http://other.example:8443"}, 101, "", ""},
		{"another scheme", "/session", []string{"Origin", "http://app.example.com"}, 403, todoke.CodeForbidden, "Origin"},
		{"another port", "/session", []string{"Origin", "https://app.example.com:444"}, 403, todoke.CodeForbidden, "Origin"},
		{"a foreign page", "/stream?channel=a", []string{"Origin", "https://evil.example"}, 403, todoke.CodeForbidden, "Origin"},
		{"a name that only begins alike", "/session", []string{"Origin", "https://app.example.com.evil.example"}, 403, todoke.CodeForbidden, "Origin"},
		{"a sandboxed page", "/session", []string{"Origin", "null"}, 403, todoke.CodeForbidden, "Origin"},
		{"an origin that is no URL", "/session", []string{"Origin", "http://%zz"}, 403, todoke.CodeForbidden, "Origin"},
		{"a foreign page at one's own handler", "/own", []string{"Origin", "https://evil.example"}, 403, todoke.CodeForbidden, "Origin"},
		{"a channel that is not theirs", "/stream?channel=a&channel=secret", nil, 403, todoke.CodeForbidden, ""},
		{"a client nobody knows", "/stream?channel=members", nil, 401, todoke.CodeUnauthenticated, ""},
		{"a bad since at one's own handler", "/own?since=yesterday", nil, 400, todoke.CodeInvalidSince, "since"},
		{"a position after the end", "/stream?channel=a&since=" + s.hub.Head().Epoch + "-99", nil, 400, todoke.CodeInvalidPosition, "since"},
	} {
		t.Run(c.name, func(t *testing.T) {
			response := s.dial2(t, c.path, c.header...)
			if response.StatusCode != c.status {
				t.Fatalf("status %d, want %d", response.StatusCode, c.status)
			}
			if c.status == http.StatusSwitchingProtocols {
				return
			}
			checkProblem(t, response, c.code, c.field)
		})
	}
	s.awaitHandlers()
}

func checkProblem(t *testing.T, response *http.Response, code todoke.Code, field string) {
	t.Helper()
	if got := response.Header.Get("Content-Type"); got != problem.ContentType {
		t.Errorf("Content-Type: %s", got)
	}
	body, _ := io.ReadAll(response.Body)
	var p problem.Problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if p.Code != code || p.Field != field || p.Detail == "" {
		t.Errorf("got %s, want code %s, field %q", body, code, field)
	}
}

func TestAnyOriginIsLetInOnlyWhenAskedFor(t *testing.T) {
	onBoth(t, testAnyOriginIsLetInOnlyWhenAskedFor)
}

func testAnyOriginIsLetInOnlyWhenAskedFor(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{AllowedOrigins: []string{"*"}})
	for _, origin := range []string{"https://evil.example", "null"} {
		if response := s.dial2(t, "/session", "Origin", origin); response.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: status %d", origin, response.StatusCode)
		}
	}
}

func TestAResponseWriterThatCannotBeHijackedIsAnInternalFaultThatIsLogged(t *testing.T) {
	onBoth(t, testAResponseWriterThatCannotBeHijackedIsAnInternalFaultThatIsLogged)
}

func testAResponseWriterThatCannotBeHijackedIsAnInternalFaultThatIsLogged(t *testing.T, links kind) {
	var log strings.Builder
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	h := websocket.NewHandler(s.hub, websocket.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	r := httptest.NewRequest(http.MethodGet, "/session", nil)
	for _, pair := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}} {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	h.ServeSession(w, r)
	checkProblem(t, w.Result(), todoke.CodeInternal, "")
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "cannot be hijacked") {
		t.Errorf("status %d, log %q", w.Code, log.String())
	}
}

// A middleware that wraps the ResponseWriter and only has Unwrap must not be in the way, nor one that, as gin's, keeps the
// status until WriteHeaderNow.
func TestWrappedResponseWritersAreUnwrapped(t *testing.T) {
	onBoth(t, testWrappedResponseWritersAreUnwrapped)
}

func testWrappedResponseWritersAreUnwrapped(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		websocket.Serve(&lateWriter{w, 0}, r, s.hub, "news")
	}))
	defer server.Close()
	(&site{t: t, hub: s.hub, server: server}).dial("/", nil).want(`{"position":"E-0"}`)
	_ = s.hub.Close()
}

type lateWriter struct {
	http.ResponseWriter
	status int
}

func (w *lateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w *lateWriter) WriteHeader(status int)      { w.status = status }
func (w *lateWriter) WriteHeaderNow()             { w.ResponseWriter.WriteHeader(w.status) }
