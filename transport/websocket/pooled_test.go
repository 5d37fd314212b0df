package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/request"
	"github.com/todoke-dev/todoke/transport/websocket"
)

func TestFramesThatCameWithTheHandshakeAreRead(t *testing.T) { onBoth(t, testEarlyFrames) }

func testEarlyFrames(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	for _, c := range []struct {
		path  string
		frame []byte
		want  []string
	}{
		{"/stream?channel=news", masked(fin|opPing, "early"), []string{`text {"position":"E-0"}`, `pong "early"`}},
		{"/session", masked(fin|opText, `{"id":1,"ping":{}}`), []string{`text {"id":1,"pong":{}}`}},
	} {
		p := s.rawWith(c.path, append(append([]byte(nil), c.frame...), c.frame[:3]...))
		p.write(c.frame[3:])
		for _, want := range append(c.want, c.want[len(c.want)-1]) {
			if f, err := p.readFrame(); err != nil || s.plain(f.String()) != want {
				t.Errorf("%s: got %s, %v, want %s", c.path, f, err, want)
			}
		}
		_ = p.conn.Close()
	}
	s.awaitHandlers()
}

func TestARequestThatWaitsHoldsUpNothingElse(t *testing.T) { onBoth(t, testARequestThatWaits) }

func testARequestThatWaits(t *testing.T, links kind) {
	proceed := make(chan struct{})
	asked := make(chan struct{}, 1)
	rule := todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		if a.Channel == "slow" {
			asked <- struct{}{}
			<-proceed
		}
		return nil
	})
	s := newSite(t, links, todoke.Options{Authorizer: rule}, websocket.Options{})
	p := s.dial("/session", nil)
	p.send(`{"id":1,"subscribe":{"channels":["a"]}}`)
	p.want(`{"id":1,"subscribed":{"channels":["a"],"position":"E-0"}}`)
	p.send(`{"id":2,"publish":{"channel":"slow","data":"x"}}`)
	p.send(`{"id":3,"ping":{}}`)
	<-asked
	s.publish("a", "meanwhile")
	p.want(`{"message":` + message("1", "a", "meanwhile") + `}`)
	close(proceed)
	p.want(`{"id":2,"published":{"id":"E-2","channel":"slow","time":"T","duplicate":false}}`, `{"id":3,"pong":{}}`)
}

func TestAPeerThatPingsAndDoesNotReadIsOwedOnePong(t *testing.T) {
	s := newSite(t, pooled, todoke.Options{}, websocket.Options{})
	s.narrow.Store(true)
	p := s.raw("/stream?channel=news")
	for range 4 {
		s.publish("news", strings.Repeat("x", 1<<20))
	}
	// More than lies in buffers on the way: most are read while the link has no room.
	const pings = 64 << 10
	burst := bytes.Repeat(masked(fin|opPing, strings.Repeat("p", 125)), 1024)
	for range pings / 1024 {
		p.write(burst)
	}
	p.write(masked(fin|opPing, "last"))
	pongs := 0
	for {
		f, err := p.readFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f.String() == `pong "last"` {
			break
		}
		if f.opcode == opPong {
			pongs++
		}
	}
	if pongs > pings/2 {
		t.Errorf("%d of %d pings were answered", pongs, pings)
	}
}

// A readEngine takes time to read, and says when it is asked to and was told to wait.
type readEngine struct {
	todoke.Engine
	wait     atomic.Bool
	asked    chan struct{}
	proceed  chan struct{}
	answered atomic.Int64
}

func (e *readEngine) Caps() todoke.Caps {
	caps := e.Engine.Caps()
	caps.Immediate = false
	return caps
}

func (e *readEngine) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if e.wait.Load() {
		select {
		case e.asked <- struct{}{}:
		default:
		}
		<-e.proceed
	}
	e.answered.Add(1)
	return e.Engine.Read(ctx, r)
}

func TestUnsubscribeWaitsForAReadUnderWay(t *testing.T) { onBoth(t, testUnsubscribeWhileReading) }

func testUnsubscribeWhileReading(t *testing.T, links kind) {
	slow := &readEngine{Engine: todoke.NewMemory(todoke.MemoryOptions{}), asked: make(chan struct{}, 1), proceed: make(chan struct{})}
	s := newSite(t, links, todoke.Options{Engine: slow, Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 100_000}}}, websocket.Options{})
	const each = 4000
	fill := strings.Repeat("x", 1<<10)
	for range each {
		s.publish("hose", fill)
		s.publish("other", fill)
	}
	p := s.dial("/session", nil)
	p.send(`{"id":1,"subscribe":{"channels":["hose","other"],"since":"` + s.hub.Head().Epoch + `-0"}}`)
	p.want(`{"id":1,"subscribed":{"channels":["hose","other"],"position":"E-0"}}`)
	p.next()
	slow.wait.Store(true)
	others := 0
	count := func(text string) {
		if strings.Contains(text, `"channel":"other"`) {
			others++
		}
	}
	waiting := false
	for !waiting {
		select {
		case <-slow.asked:
			waiting = true
		default:
			count(p.next())
		}
	}
	p.send(`{"id":2,"unsubscribe":{"channels":["hose"]}}`)
	slow.wait.Store(false)
	close(slow.proceed)
	for {
		text := p.next()
		if strings.HasPrefix(text, `{"id":2,`) {
			break
		}
		count(text)
	}
	s.publish("other", "the end")
	for last := ""; !strings.Contains(last, "the end"); {
		last = p.next()
		if strings.Contains(last, `"channel":"hose"`) {
			t.Fatal("a message came after the answer to unsubscribe")
		}
		count(last)
	}
	if others != each+1 {
		t.Errorf("%d messages came on the other channel, want %d", others, each+1)
	}
}

// A wrapping is a middleware with a connection of its own.
type wrapping struct{ http.ResponseWriter }

func (w wrapping) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return struct{ net.Conn }{conn}, rw, err
}

func TestAConnectionThatCannotLeaveIsServedOnGoroutines(t *testing.T) {
	s := newSite(t, pooled, todoke.Options{}, websocket.Options{})
	inner := s.server.Config.Handler
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(wrapping{w}, r) })
	p := s.dial("/session", nil)
	p.send(`{"id":1,"ping":{}}`)
	p.want(`{"id":1,"pong":{}}`)
	q := s.dial("/stream?channel=a", nil)
	q.want(`{"position":"E-0"}`)
	s.publish("a", "x")
	q.want(message("1", "a", "x"))
	if n := s.pool.Links(); n != 0 {
		t.Errorf("%d links are in the pool", n)
	}
}

func TestPoolIsClosedUnderItsLinks(t *testing.T) {
	s := newSite(t, pooled, todoke.Options{}, websocket.Options{})
	for i := range 20 {
		p := s.dial("/session", nil)
		p.send(fmt.Sprintf(`{"id":1,"subscribe":{"channels":["a:%d"],"since":"earliest"}}`, i))
		p.next()
		s.dial("/stream?channel=a", nil).next()
	}
	s.pool.Close()
	if n := s.pool.Links(); n != 0 {
		t.Errorf("%d links are left", n)
	}
	if r := s.dial2(t, "/session"); r.StatusCode == http.StatusOK {
		t.Errorf("a session got %d", r.StatusCode)
	}
}

// Whatever a client sends, its link ends with it, and the worker goes on.
func FuzzPooledLink(f *testing.F) {
	for _, seed := range []string{
		"\x00" + string(masked(fin|opPing, "x")), "\x01" + string(masked(fin|opText, `{"id":1,"ping":{}}`)), "\x02hello\nhello", "\x03" + `{"id":1,"subscribe":{"channels":["a","b"]}}` +
			"\n" + `{"id":1,"unsubscribe":{"channels":["a"]}}` + "\n" + `{"publish":{"channel":"b","data":"x"}}`, "\x01" + string(masked(fin|opClose, closing(1000, ""))), "\x01\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		f.Fatal(err)
	}
	defer hub.Close()
	pool := newPool(f, hub, websocket.Options{})
	defer pool.Close()
	h := websocket.NewHandler(hub, websocket.Options{Pool: pool, ReadLimit: readLimit})
	mux := http.NewServeMux()
	mux.HandleFunc("/session", h.ServeSession)
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		h.ServeStream(w, r, request.Read{Channels: []string{"a"}})
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnContext = evented.ConnContext
	server.Start()
	defer server.Close()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		s := &site{t: t, hub: hub, server: server, pool: pool}
		p := s.raw([]string{"/stream?channel=a", "/session"}[data[0]&1])
		sent := data[1:]
		if data[0]&2 != 0 {
			sent = nil
			for line := range bytes.Lines(data[1:]) {
				sent = append(sent, masked(fin|opText, line)...)
			}
		}
		p.write(sent)
		p.write(masked(fin|opClose, closing(1000, "")))
		_ = p.conn.(*net.TCPConn).CloseWrite()
		for {
			if _, err := p.readFrame(); err != nil {
				break
			}
		}
		_ = p.conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := pool.Wait(ctx); err != nil {
			t.Fatalf("%d links are left: %v", pool.Links(), err)
		}
	})
}
