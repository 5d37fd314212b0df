//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long anything may take.
const patience = 20 * time.Second

func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !so() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it never happened: " + what)
		}
	}
}

// viaNetHTTP is the header by which handlers of tests tell who has answered.
const viaNetHTTP = "Via-Net-Http"

type marked struct{}

// start starts a server with a front; the context of requests that net/http answers is marked.
func start(t testing.TB, handler http.Handler, change func(*Options)) (*Front, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l, handler, change)
}

func startOn(t testing.TB, l net.Listener, handler http.Handler, change func(*Options)) (*Front, string) {
	t.Helper()
	o := Options{
		Handler: handler, Takes: func(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/other") },
		Refuse: func(func() error) bool { return false }, Context: context.Background(),
		HeadTimeout: patience, IdleTimeout: patience, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	f, err := Listen(l, o)
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(handler)
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, marked{}, true) }
	served := make(chan error, 1)
	go func() { served <- server.Serve(f) }()
	t.Cleanup(func() {
		server.Close()
		f.Stop()
		<-served
		if n := f.Busy(); n != 0 {
			t.Errorf("%d requests are under way after the end", n)
		}
		if n := len(f.conns); n != 0 {
			t.Errorf("%d connections are left after the end", n)
		}
	})
	return f, l.Addr().String()
}

func newServer(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: handler, Protocols: &protocols, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
}

// startPlain starts a server without a front.
func startPlain(t testing.TB, handler http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(handler)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return l.Addr().String()
}

func isPlain(r *http.Request) bool { return r.Context().Value(marked{}) != nil }

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func send(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one.
func answer(t testing.TB, from *bufio.Reader) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// ended waits for the end of what comes.
func ended(t testing.TB, from io.Reader) {
	t.Helper()
	rest, err := io.ReadAll(from)
	if len(rest) > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Fatalf("not the end: %q, %v", rest, err)
	}
}

// tell answers with what it was asked.
func tell(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s length=%d close=%v body=%q error=%v header=%q", r.Method, r.RequestURI, r.Host, r.ContentLength, r.Close, body, err, r.Header)
}
