package evented_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

const patience = 30 * time.Second

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

func newHub(t testing.TB, o todoke.Options) *todoke.Hub {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	o.Authorizer = todoke.AllowAll
	hub, err := todoke.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hub.Close() })
	return hub
}

func newPool(t testing.TB, hub *todoke.Hub, o evented.Options) *evented.Pool {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	pool, err := evented.NewPool(hub, o)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("there is no reactor for this system")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func publish(t testing.TB, hub *todoke.Hub, channel, data string) todoke.Position {
	t.Helper()
	p, err := hub.Publish(context.Background(), todoke.Message{Channel: channel, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return p.Position
}

// A wire is the smallest transport: a line for each message.
type wire struct {
	evented.Link
	chase  evented.Chase
	sub    *todoke.Subscription
	input  bytes.Buffer // at the turn
	goodby string       // said when the subscription ends

	started atomic.Bool
	closed  chan error
}

func (w *wire) Input(data []byte)   { w.input.Write(data) }
func (w *wire) Tick() time.Duration { return 0 }
func (w *wire) Resume()             { w.Ready() }
func (w *wire) Ready()              { w.Pump(w.sub, lines{}, &w.chase) }
func (w *wire) Ended(_ *todoke.Subscription, err error) {
	w.Finish([]byte(w.goodby + string(todoke.AsError(err).Code) + "\n"))
}

func (w *wire) Closed(reason error) {
	w.chase.Close(w.sub)
	w.closed <- reason
}

// lines is the format of a wire: the data and a newline.
type lines struct{}

func (lines) AppendMessage(dst []byte, m *todoke.Message) []byte {
	return append(append(dst, m.Data...), '\n')
}

func (lines) AppendGap(dst []byte, g todoke.Gap) []byte {
	return fmt.Appendf(dst, "gap %d-%d\n", g.From.Offset, g.To.Offset)
}

// attach opens a connection over loopback and gives our end to the pool.
func attach(t testing.TB, hub *todoke.Hub, pool *evented.Pool, since todoke.Since, channels ...string) (*wire, *net.TCPConn) {
	t.Helper()
	sub, err := hub.Subscribe(context.Background(), channels, since)
	if err != nil {
		t.Fatal(err)
	}
	peer, ours := connect(t)
	w := &wire{sub: sub, closed: make(chan error, 2)}
	w.Begin(w)
	err = pool.Attach(&w.Link, ours, sub, func() {
		w.started.Store(true)
		w.Follow(sub, w)
		w.Ready()
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, peer
}

func connect(t testing.TB) (peer, ours *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := listener.Accept()
		accepted <- conn
	}()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	dialed.SetDeadline(time.Now().Add(patience))
	return dialed.(*net.TCPConn), (<-accepted).(*net.TCPConn)
}

// reason waits for the link's end.
func (w *wire) reason(t testing.TB) error {
	t.Helper()
	select {
	case err := <-w.closed:
		return err
	case <-time.After(patience):
		t.Fatal("the link does not end")
		return nil
	}
}

// readLines reads n lines.
func readLines(t testing.TB, peer io.Reader, n int) []string {
	t.Helper()
	var text strings.Builder
	buffer := make([]byte, 1)
	for range n {
		for {
			if _, err := io.ReadFull(peer, buffer); err != nil {
				t.Fatalf("%v after %d bytes", err, text.Len())
			}
			text.Write(buffer)
			if buffer[0] == '\n' {
				break
			}
		}
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// gated is an engine that takes time: each read waits until it is let through, or given up.
type gated struct {
	*todoke.Memory
	mu      sync.Mutex
	gate    chan struct{} // closed: open
	waiting atomic.Int64
}

func newGated() *gated {
	return &gated{Memory: todoke.NewMemory(todoke.MemoryOptions{}), gate: make(chan struct{})}
}

func (g *gated) Caps() todoke.Caps { return todoke.Caps{Fenced: true} }

func (g *gated) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case <-g.gate:
	case <-ctx.Done():
		return todoke.Page{}, ctx.Err()
	}
	return g.Memory.Read(ctx, r)
}

func (g *gated) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.gate:
	default:
		close(g.gate)
	}
}
