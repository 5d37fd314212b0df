package websocket_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
	"github.com/todoke-dev/todoke/transport/websocket"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// A site is a hub behind a server: /stream?channel=… and /session through the gate, /own from a handler of one's own.
type site struct {
	t        testing.TB
	hub      *todoke.Hub
	server   *httptest.Server
	pool     *evented.Pool  // nil: goroutines
	handlers sync.WaitGroup // connections being served
	// narrow makes the kernel's buffers of new connections small, so that a test need not send megabytes until a slow
	// reader is felt. It makes transfers slow.
	narrow atomic.Bool
}

// newSite makes one with the kind of links.
func newSite(t testing.TB, links kind, hubOptions todoke.Options, o websocket.Options) *site {
	t.Helper()
	if hubOptions.Authorizer == nil {
		hubOptions.Authorizer = todoke.AllowAll
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	hubOptions.Logger = o.Logger
	hub, err := todoke.New(hubOptions)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, hub: hub}
	if links == pooled {
		s.pool = newPool(t, hub, o)
		o.Pool = s.pool
	}
	h := websocket.NewHandler(hub, o)
	mux := http.NewServeMux()
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		read, err := request.ParseRead(r, nil)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		h.ServeStream(w, r, read)
	})
	mux.HandleFunc("/session", h.ServeSession)
	mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) { websocket.Serve(w, r, hub, "own") })
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		mux.ServeHTTP(w, r)
	}))
	s.server.Config.ConnContext = evented.ConnContext
	s.server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew && s.narrow.Load() {
			_ = tcp.SetWriteBuffer(16 << 10)
		}
	}
	s.server.Start()
	t.Cleanup(func() {
		_ = hub.Close()
		s.server.Close()
		s.awaitHandlers()
		if s.pool != nil {
			s.pool.Close()
		}
	})
	return s
}

// A kind of links.
type kind string

const (
	goroutines kind = "goroutines"
	pooled     kind = "pooled"
)

// onBoth runs a test on each kind of links.
func onBoth(t *testing.T, test func(t *testing.T, links kind)) {
	t.Helper()
	for _, links := range []kind{goroutines, pooled} {
		t.Run(string(links), func(t *testing.T) { test(t, links) })
	}
}

func newPool(t testing.TB, hub *todoke.Hub, o websocket.Options) *evented.Pool {
	t.Helper()
	pool, err := evented.NewPool(hub, evented.Options{Workers: 2, WriteTimeout: o.WriteTimeout, Logger: o.Logger})
	if errors.Is(err, errors.ErrUnsupported) {
		_ = hub.Close()
		t.Skip("there is no reactor for this system: every link is a goroutine")
	}
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// awaitHandlers waits until no connection is served any more: whatever a connection started has ended then.
func (s *site) awaitHandlers() {
	s.t.Helper()
	if s.pool != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.pool.Wait(ctx); err != nil {
			s.t.Errorf("%d links are still in the pool: %v", s.pool.Links(), err)
		}
	}
	done := make(chan struct{})
	go func() { s.handlers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		s.t.Error("a connection is still being served")
	}
}

func (s *site) publish(channel, data string) todoke.Published {
	s.t.Helper()
	p, err := s.hub.Publish(context.Background(), todoke.Message{Channel: channel, Data: []byte(data)})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *site) dial(path string, header http.Header) *peer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil && s.narrow.Load() {
			_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
		}
		return conn, err
	}}}
	ws, _, err := coder.Dial(ctx, s.server.URL+path, &coder.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil {
		s.t.Fatalf("dial %s: %v", path, err)
	}
	ws.SetReadLimit(-1)
	p := &peer{t: s.t, site: s, ws: ws}
	s.t.Cleanup(func() { _ = ws.CloseNow() })
	return p
}

// A peer is a client that speaks WebSocket well.
type peer struct {
	t    testing.TB
	site *site
	ws   *coder.Conn
}

func (p *peer) send(text string) {
	p.t.Helper()
	p.sendAs(coder.MessageText, text)
}

func (p *peer) sendAs(kind coder.MessageType, text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.ws.Write(ctx, kind, []byte(text)); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

func (p *peer) read() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, text, err := p.ws.Read(ctx)
	if err == nil && kind != coder.MessageText {
		p.t.Errorf("a %v frame came", kind)
	}
	return string(text), err
}

// next returns the next text frame.
func (p *peer) next() string {
	p.t.Helper()
	text, err := p.read()
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	return text
}

// want reads a frame for each line of frames. The epoch is written E, times T.
func (p *peer) want(frames ...string) {
	p.t.Helper()
	for _, want := range frames {
		if got := p.site.plain(p.next()); got != want {
			p.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// wantClose reads the end, after frames that do not matter.
func (p *peer) wantClose(code coder.StatusCode) {
	p.t.Helper()
	for {
		text, err := p.read()
		if err == nil {
			p.t.Logf("before the close: %.100s", text)
			continue
		}
		if got := coder.CloseStatus(err); got != code {
			p.t.Fatalf("closed with %d (%v), want %d", got, err, code)
		}
		return
	}
}

var timestamp = regexp.MustCompile(`"time":"[^"]*"`)

func (s *site) plain(frame string) string {
	frame = strings.ReplaceAll(frame, `"`+s.hub.Head().Epoch+"-", `"E-`)
	return timestamp.ReplaceAllString(frame, `"time":"T"`)
}

// message is the frame of a text message without a time.
func message(id, channel, data string) string {
	return `{"id":"E-` + id + `","channel":"` + channel + `","type":"text/plain","time":"T","data":"` + data + `"}`
}
