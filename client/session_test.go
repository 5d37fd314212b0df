package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	todokews "github.com/todoke-dev/todoke/transport/websocket"
)

// newSession returns a session with a real hub.
func newSession(t *testing.T, o client.Options) (*client.Session, *todoke.Hub) {
	t.Helper()
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		if a.Channel == "secret" {
			return &todoke.Error{Code: todoke.CodeForbidden, Hint: "no"}
		}
		return nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(todokews.NewHandler(hub, todokews.Options{}).ServeSession))
	s, err := newClient(t, web.URL, o).Connect(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		hub.Close()
		web.Close()
	})
	return s, hub
}

func nextOf(t *testing.T, s *client.Session) client.Event {
	t.Helper()
	e, err := s.Next(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSessionDoesEverythingOverOneConnection(t *testing.T) {
	s, hub := newSession(t, quick())
	ctx := soon(t)
	one, err := s.Subscribe(ctx, []string{"a", "b:*"}, todoke.Now())
	if err != nil || one.ID == 0 || one.Position.IsZero() || fmt.Sprint(one.Channels) != "[a b:*]" {
		t.Fatalf("%+v, %v", one, err)
	}
	two, err := s.Subscribe(ctx, []string{"c"}, todoke.Now())
	if err != nil || two.ID == one.ID {
		t.Fatalf("%+v, %v", two, err)
	}
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	m := todoke.Message{Channel: "b:1", Data: []byte(`{"x": 1}`), Type: "application/json", Event: "届け", Headers: map[string]string{"T": "1"}}
	p, err := s.Publish(ctx, m)
	if err != nil || p.Channel != "b:1" || p.Duplicate {
		t.Fatalf("%+v, %v", p, err)
	}
	e := nextOf(t, s)
	if e.Message == nil || e.Message.Text() != `{"x": 1}` || e.Message.Event != "届け" || e.Subscription != one.ID || e.Position != p.Position {
		t.Fatalf("%+v", e)
	}
	hub.Publish(ctx, todoke.Message{Channel: "c", Data: []byte("third")})
	if e := nextOf(t, s); e.Message.Text() != "third" || e.Subscription != two.ID {
		t.Fatalf("%+v", e)
	}
	if err := s.Unsubscribe(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	hub.Publish(ctx, todoke.Message{Channel: "c", Data: []byte("unheard")})
	hub.Publish(ctx, todoke.Message{Channel: "a", Data: []byte("heard")})
	if e := nextOf(t, s); e.Message.Text() != "heard" || e.Subscription != one.ID {
		t.Fatalf("%+v", e)
	}
}

func TestSessionErrorsLeaveItAlive(t *testing.T) {
	s, _ := newSession(t, quick())
	ctx := soon(t)
	s.Subscribe(ctx, []string{"a"}, todoke.Now())
	for name, tt := range map[string]struct {
		do   func() error
		want todoke.Code
	}{
		"a channel twice":     {func() error { _, err := s.Subscribe(ctx, []string{"*"}, todoke.Now()); return err }, todoke.CodeAlreadySubscribed},
		"not allowed":         {func() error { _, err := s.Subscribe(ctx, []string{"secret"}, todoke.Now()); return err }, todoke.CodeForbidden},
		"not subscribed":      {func() error { return s.Unsubscribe(ctx, "z") }, todoke.CodeNotSubscribed},
		"publish not allowed": {func() error { _, err := s.Publish(ctx, todoke.Message{Channel: "secret"}); return err }, todoke.CodeForbidden},
		"a frame too large": {func() error {
			_, err := s.Publish(ctx, todoke.Message{Channel: "a", Data: make([]byte, 3<<20)})
			return err
		}, todoke.CodeTooLarge},
	} {
		if err := tt.do(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
}

// A program that publishes between two calls of Next must not wait for itself: the answer stands behind many events.
func TestSessionPublishesWhileEventsWait(t *testing.T) {
	s, hub := newSession(t, quick())
	ctx := soon(t)
	if _, err := s.Subscribe(ctx, []string{"a"}, todoke.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		hub.Publish(ctx, todoke.Message{Channel: "a", Data: fmt.Append(nil, i)})
	}
	if _, err := s.Publish(ctx, todoke.Message{Channel: "other"}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if e := nextOf(t, s); e.Message.Text() != fmt.Sprint(i) {
			t.Fatalf("%q comes after %d", e.Message.Text(), i-1)
		}
	}
}

func TestSessionOfAProgramThatNeverReadsIsBounded(t *testing.T) {
	o := quick()
	o.MaxMessageBytes = 10_000
	s, hub := newSession(t, o)
	ctx := soon(t)
	if _, err := s.Subscribe(ctx, []string{"a"}, todoke.Now()); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		for range 50 {
			hub.Publish(ctx, todoke.Message{Channel: "a", Data: make([]byte, 1000)})
		}
		_, err = s.Publish(ctx, todoke.Message{Channel: "other"})
	}
	if !errors.Is(s.Err(), todoke.CodeTooLarge) {
		t.Errorf("%v; the session: %v", err, s.Err())
	}
}

func TestSessionOfAServerThatStopsSaysWhenToComeAgain(t *testing.T) {
	s, hub := newSession(t, quick())
	if _, err := s.Subscribe(soon(t), []string{"a"}, todoke.Now()); err != nil {
		t.Fatal(err)
	}
	hub.Publish(soon(t), todoke.Message{Channel: "a", Data: []byte("last")})
	hub.Drain(time.Hour)
	if e := nextOf(t, s); e.Message.Text() != "last" {
		t.Fatalf("%+v", e)
	}
	_, err := s.Next(soon(t))
	if !errors.Is(err, todoke.CodeRestarting) || todoke.AsError(err).RetryAfter <= 0 {
		t.Fatalf("%v", err)
	}
	if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the cause is not the close frame: %v", err)
	}
	if _, err := s.Publish(soon(t), todoke.Message{Channel: "a"}); !errors.Is(err, todoke.CodeRestarting) {
		t.Error(err)
	}
}

func TestSessionCloseEndsEverything(t *testing.T) {
	s, _ := newSession(t, quick())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Next(context.Background())
		ended <- err
	}()
	s.Close()
	s.Close()
	if err := <-ended; !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
	if err := s.Ping(soon(t)); !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
}

func TestSessionNextLeavesTheSessionWhenItsContextEnds(t *testing.T) {
	s, _ := newSession(t, quick())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := s.Ping(soon(t)); err != nil {
		t.Error(err)
	}
}

// A connection that is lost with a publish under way leaves it open whether it happened.
func TestSessionPublishWithoutAnAnswer(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		conn.Read(r.Context())
		conn.CloseNow()
	})
	s, err := newClient(t, f.URL, quick()).Connect(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Publish(soon(t), todoke.Message{Channel: "a"}); !errors.Is(err, todoke.CodeUnknown) {
		t.Error(err)
	}
}

func TestWebSocketStreamReadsItsFrames(t *testing.T) {
	serve := func(last bool, frames ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			for _, frame := range frames {
				conn.Write(r.Context(), websocket.MessageText, []byte(frame))
			}
			if last {
				conn.Close(websocket.StatusPolicyViolation, "enough")
			}
		}
	}
	f := newFake(t,
		serve(false, `{"position":"k-1"}`),
		serve(false, `{"position":"k-1"}`, `{"news":"of a later version"}`, `{"gap":{"channel":"a","from":"k-2","to":"k-3"}}`, `{"id":"k-4","channel":"a","data":"four"}`, `{"reconnect":{"after":"0.001s"}}`),
		serve(true, `{"position":"k-4"}`, `{"position":"k-9"}`))
	s := subscribe(t, f, quick(), client.TransportWebSocket, todoke.Now())
	expect(t, s, "@k-1", "gap:k-2_k-3", "four", "@k-9")
	if _, err := s.Next(soon(t)); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Error(err)
	}
	if got := strings.Join(sinces(f), " "); got != " k-1 k-4" {
		t.Errorf("asked since %q", got)
	}
}
