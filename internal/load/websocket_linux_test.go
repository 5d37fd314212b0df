package load

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// An engineIO is a small server of Engine.IO and Socket.IO that insists on the order of things, pings before it delivers anything, and
// delivers each event in many fragments.
type engineIO struct {
	t      *testing.T
	mu     sync.Mutex
	rooms  map[string][]*peer
	pinged int // answers to pings
}

type peer struct {
	conn *websocket.Conn
	mu   sync.Mutex
}

func (p *peer) write(ctx context.Context, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, err := p.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for part := range strings.SplitAfterSeq(text, ".") { // the parts of a stamp, each in a frame of its own
		if _, err := w.Write([]byte(part)); err != nil {
			return err
		}
	}
	return w.Close()
}

func (s *engineIO) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if got := r.URL.Query().Get("EIO") + r.URL.Query().Get("transport"); got != "4websocket" {
		s.t.Errorf("it asks for %s", got)
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.CloseNow()
	ctx := r.Context()
	p := &peer{conn: conn}
	if p.write(ctx, `0{"sid":"x"}`) != nil || s.expect(ctx, p, "40") != nil || p.write(ctx, `40{"sid":"x"}`) != nil {
		return
	}
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if err := s.take(ctx, p, string(text)); err != nil {
			return
		}
	}
}

func (s *engineIO) expect(ctx context.Context, p *peer, want string) error {
	_, got, err := p.conn.Read(ctx)
	if err == nil && string(got) != want {
		s.t.Errorf("it says %q, not %q", got, want)
	}
	return err
}

// take carries out what a client says: an answer to a ping, or one of two calls.
func (s *engineIO) take(ctx context.Context, p *peer, text string) error {
	if text == "3" {
		s.mu.Lock()
		s.pinged++
		s.mu.Unlock()
		return nil
	}
	call, ok := strings.CutPrefix(text, "420[")
	var name, room, data string
	parts := strings.Split(strings.TrimSuffix(call, "]"), ",")
	if !ok || len(parts) < 2 {
		s.t.Errorf("it says %.100q", text)
		return fmt.Errorf("unknown")
	}
	name, room = strings.Trim(parts[0], `"`), strings.Trim(parts[1], `"`)
	if name == "subscribe" {
		s.mu.Lock()
		s.rooms[room] = append(s.rooms[room], p)
		s.mu.Unlock()
		if err := p.write(ctx, "430[]"); err != nil {
			return err
		}
		return p.write(ctx, "2")
	}
	data = strings.Trim(parts[2], `"`)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reader := range s.rooms[room] {
		if err := reader.write(ctx, fmt.Sprintf(`42["message","%s"]`, data)); err != nil {
			return err
		}
	}
	return p.write(ctx, "430[]")
}

func TestWebSocketPeer(t *testing.T) {
	s := &engineIO{t: t, rooms: map[string][]*peer{}}
	server := httptest.NewServer(s)
	defer server.Close()
	r, err := Run(t.Context(), Config{
		Scenario: "channels", Adapter: "socketio", URL: server.URL, Readers: 6, Channels: 2, Publishers: 3, Depth: 4, Saturated: true,
		For: 200 * time.Millisecond, Warmup: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || r.Closed > 0 || r.Published == 0 || r.Deliveries != 3*r.Published || r.InFlight != 12 {
		t.Errorf("%+v", r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinged != 6 {
		t.Errorf("%d of 6 readers answered the ping", s.pinged)
	}
}

// A server that closes a connection says why, and that is passed on.
func TestWebSocketClosed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		if err := conn.Ping(conn.CloseRead(ctx)); err != nil { // RFC 6455 §5.5.2: it is answered
			t.Error(err)
		}
		conn.Close(websocket.StatusTryAgainLater, "too many of you")
	}))
	defer server.Close()
	_, err := Run(t.Context(), Config{Scenario: "fanout", Adapter: "todoke-ws", URL: server.URL, Readers: 1})
	if err == nil || !strings.Contains(err.Error(), "1013 too many of you") {
		t.Errorf("%v", err)
	}
}
