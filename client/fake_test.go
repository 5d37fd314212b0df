package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

// A fake answers the n-th request with the n-th of its handlers, and fails the test when there are more. It notes what was
// asked.
type fake struct {
	*httptest.Server
	t       *testing.T
	answers []http.HandlerFunc

	mu    sync.Mutex
	asked []*http.Request
}

func newFake(t *testing.T, answers ...http.HandlerFunc) *fake {
	f := &fake{t: t, answers: answers}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n := len(f.asked)
		f.asked = append(f.asked, r)
		f.mu.Unlock()
		if n >= len(f.answers) {
			t.Errorf("a request too many: %s %s", r.Method, r.URL)
			http.Error(w, "too many", http.StatusTeapot)
			return
		}
		f.answers[n](w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *fake) requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*http.Request(nil), f.asked...)
}

// quick are options that let tests wait for nothing long.
func quick() client.Options {
	return client.Options{MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, RetryFor: 10 * time.Second}
}

func newClient(t *testing.T, url string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// soon is how long anything in these tests may take.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// events answers with an event stream; it ends after text, or stays open.
func events(text string, stay bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
		w.(http.Flusher).Flush()
		if stay {
			<-r.Context().Done()
		}
	}
}

func sseMessage(position, text string) string {
	return fmt.Sprintf("id: %s\ndata: {\"id\":%q,\"channel\":\"a\",\"type\":\"text/plain\",\"data\":%q}\n\n", position, position, text)
}

// refuse answers with a problem document.
func refuse(status int, code todoke.Code, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"code": code, "detail": "what to do", "field": "channel", "status": status})
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
}

func answerJSON(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}
}

// next returns the next event as text: a message's data, gap:from-to, or @position.
func next(t *testing.T, s *client.Stream) string {
	t.Helper()
	e, err := s.Next(soon(t))
	if err != nil {
		return "error " + string(todoke.AsError(err).Code)
	}
	return describe(e)
}

func describe(e client.Event) string {
	switch {
	case e.Message != nil:
		return e.Message.Text()
	case e.Gap != nil:
		return "gap:" + e.Gap.From.String() + "_" + e.Gap.To.String()
	}
	return "@" + e.Position.String()
}

func expect(t *testing.T, s *client.Stream, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := next(t, s); got != w {
			t.Fatalf("event %d is %q, want %q", i+1, got, w)
		}
	}
}
