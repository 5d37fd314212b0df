package client_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

// A miser passes on connections to a server, and cuts each after so many bytes of answers, wherever that is: in a header, in
// a frame, between two.
type miser struct {
	net.Listener
	to      string
	running sync.WaitGroup

	mu   sync.Mutex
	rand *rand.Rand
	most int
	cuts int
}

func newMiser(t *testing.T, url string, seed uint64, most int) *miser {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &miser{Listener: l, to: strings.TrimPrefix(url, "http://"), rand: rand.New(rand.NewPCG(seed, 1)), most: most}
	m.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.running.Go(func() { m.pass(conn) })
		}
	})
	return m
}

func (m *miser) pass(conn net.Conn) {
	defer conn.Close()
	onward, err := net.Dial("tcp", m.to)
	if err != nil {
		return
	}
	m.mu.Lock()
	most := int64(m.rand.IntN(m.most))
	m.mu.Unlock()
	up := make(chan struct{})
	go func() {
		io.Copy(onward, conn)
		onward.Close()
		close(up)
	}()
	if n, _ := io.CopyN(conn, onward, most); n == most {
		m.mu.Lock()
		m.cuts++
		m.mu.Unlock()
		conn.(*net.TCPConn).SetLinger(0) // a reset: what is on its way is lost as well
	}
	conn.Close()
	onward.Close()
	<-up
}

// Wherever the connection is cut, and whatever is published meanwhile: each message comes once, in order.
func TestCutsAnywhereLoseAndRepeatNothing(t *testing.T) {
	const messages = 300
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(httpapi.New(hub, httpapi.Options{Retry: time.Millisecond}))
	t.Cleanup(func() {
		hub.Close()
		web.Close()
	})
	for _, transport := range []client.Transport{
		client.TransportPoll, client.TransportLongPoll, client.TransportSSE, client.TransportWebSocket, client.TransportSession, client.TransportAuto,
	} {
		t.Run(string(transport), func(t *testing.T) {
			m := newMiser(t, web.URL, seed, 4000)
			connections := &http.Transport{}
			o := quick()
			o.HTTPClient = &http.Client{Transport: connections}
			c := newClient(t, "http://"+m.Addr().String(), o)
			s, err := c.Subscribe(soon(t), client.SubscribeOptions{Channels: []string{"x:*", string(transport)}, Transport: transport, PollInterval: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			dice := rand.New(rand.NewPCG(seed, 2))
			published := 0
			for i := range messages {
				for ahead := dice.IntN(30); published <= i || ahead > 0 && published < messages && dice.IntN(30) > 0; ahead-- {
					data := strconv.Itoa(published) + strings.Repeat(" ", dice.IntN(200))
					if _, err := hub.Publish(t.Context(), todoke.Message{Channel: string(transport), Data: []byte(data)}); err != nil {
						t.Fatal(err)
					}
					published++
				}
				if got := strings.TrimSpace(nextMessage(t, s)); got != fmt.Sprint(i) {
					t.Fatalf("message %q after %d", got, i-1)
				}
			}
			s.Close()
			connections.CloseIdleConnections()
			m.Close()
			m.running.Wait()
			t.Logf("%d cuts", m.cuts)
			if m.cuts < 3 {
				t.Error("hardly anything was cut")
			}
		})
	}
}

func nextMessage(t *testing.T, s *client.Stream) string {
	t.Helper()
	for {
		e, err := s.Next(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		if e.Gap != nil {
			t.Fatalf("a gap: %+v", *e.Gap)
		}
		if e.Message != nil {
			return e.Message.Text()
		}
	}
}
