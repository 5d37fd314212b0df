package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/api"
	"github.com/todoke-dev/todoke/client"
)

// start runs a server for development until the test ends, or stop is called, which returns what Run does.
func start(t *testing.T, change func(*Config)) (s *Server, stop func() error) {
	t.Helper()
	c := Defaults()
	c.Dev, c.Listen, c.Logger = true, "localhost:0", slog.New(slog.DiscardHandler)
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, begun(t, s)
}

// begun runs a server that was made until the test ends, or stop is called.
func begun(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	stop = func() error {
		cancel()
		err := <-ran
		ran <- err
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

func get(t *testing.T, url string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestRoutes(t *testing.T) {
	s, _ := start(t, nil)
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/healthz":                    {200, "ok\n"},
		"/readyz":                     {200, "ready\n"},
		"/openapi.yaml":               {200, string(api.OpenAPI)},
		"/":                           {200, "<!doctype html>"},
		"/v1/channels/demo/messages":  {200, `{"messages":[]`},
		"/v1/channels/a%2Fb/messages": {400, `"code":"invalid_channel"`},
		"/v1/nothing":                 {404, `"code":"not_found"`},
	} {
		if status, body := get(t, s.URL()+path, nil); status != want.status || !strings.Contains(strings.ToLower(body), strings.ToLower(want.body)) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	status, body := get(t, s.URL()+"/healthz", func(r *http.Request) { r.Method = http.MethodPost })
	if status != 405 || !strings.Contains(body, "method_not_allowed") {
		t.Errorf("POST /healthz: %d %s", status, body)
	}
}

func TestBothLoopbackAddressesAnswer(t *testing.T) {
	s, _ := start(t, nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL(), "http://"))
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		if host == "[::1]" && len(s.addresses()) < 2 {
			t.Log("this machine has no IPv6")
			continue
		}
		if status, _ := get(t, "http://"+host+":"+port+"/healthz", nil); status != 200 {
			t.Errorf("%s: %d", host, status)
		}
	}
}

func TestThePortInUseIsSaid(t *testing.T) {
	s, _ := start(t, nil)
	c := Defaults()
	c.Dev, c.Listen = true, strings.TrimPrefix(s.URL(), "http://")
	other, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Error(err)
	}
}

// DNS rebinding: the name is the attacker's, the address is ours.
func TestDevAnswersOnlyToNamesOfThisMachine(t *testing.T) {
	s, _ := start(t, nil)
	for host, want := range map[string]int{
		"localhost": 200, "localhost:1": 200, "LOCALHOST": 200, "127.0.0.1:99": 200, "[::1]": 200, "[::1]:5": 200,
		"evil.example": 403, "evil.example:7070": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "0.0.0.0": 403, "10.0.0.1": 403,
	} {
		status, body := get(t, s.URL()+"/v1/channels/a/messages", func(r *http.Request) { r.Host = host })
		if status != want {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
}

func TestDevLetsNoPageOfAnotherOriginWrite(t *testing.T) {
	s, _ := start(t, func(c *Config) { c.AllowOrigin = []string{"https://good.example"} })
	for origin, want := range map[string]int{"": 200, s.URL(): 200, "https://good.example": 200, "https://evil.example": 403, "null": 403} {
		r, _ := http.NewRequest(http.MethodPost, s.URL()+"/v1/channels/a/messages", strings.NewReader("x"))
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d", origin, resp.StatusCode)
		}
	}
	if head := s.hub.Head(); head.Offset != 3 {
		t.Errorf("%d messages were published", head.Offset)
	}
}

func TestUnencryptedHTTP2(t *testing.T) {
	s, _ := start(t, nil)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, TLSClientConfig: &tls.Config{}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(s.URL() + "/healthz")
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
}

func TestTheRequestLogHasNoToken(t *testing.T) {
	var log lockedBuffer
	s, _ := start(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	get(t, s.URL()+"/v1/channels/a/messages?access_token=hush", nil)
	if !strings.Contains(log.String(), "path=/v1/channels/a/messages status=200") || strings.Contains(log.String(), "hush") {
		t.Error(log.String())
	}
	if !strings.Contains(log.String(), "DEVELOPMENT MODE") {
		t.Error("it does not say that it is open")
	}
}

func TestSlowHeadersAreCut(t *testing.T) {
	if readHeaderTimeout > 10*time.Second || maxHeaderBytes > 64<<10 {
		t.Error("the bounds are gone")
	}
	s, _ := start(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*maxHeaderBytes)+"\r\n\r\n")
	line, _ := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(line, "431") {
		t.Errorf("large headers: %q", line)
	}
}

func TestAGracefulStop(t *testing.T) {
	s, stop := start(t, func(c *Config) { c.StopSpread = time.Millisecond })
	c, err := client.New(s.URL(), client.Options{MinBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	streams := map[client.Transport]*client.Stream{}
	for _, transport := range []client.Transport{client.TransportSSE, client.TransportWebSocket, client.TransportSession} {
		stream, err := c.Subscribe(t.Context(), client.SubscribeOptions{Channels: []string{"a"}, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		streams[transport] = stream
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, text := range []string{"first", "last"} {
		if text == "last" {
			receive(ctx, t, streams, "first") // they are live
		}
		if _, err := c.Publish(ctx, todoke.Message{Channel: "a", Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	receive(ctx, t, streams, "last")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	if s.inflight.running() != 0 {
		t.Error("handlers are left")
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("the port is still open")
	}
}

// receive has every stream bring the message.
func receive(ctx context.Context, t *testing.T, streams map[client.Transport]*client.Stream, want string) {
	t.Helper()
	for transport, stream := range streams {
		got := ""
		for got == "" {
			e, err := stream.Next(ctx)
			if err != nil {
				t.Fatalf("%s: %v", transport, err)
			}
			if e.Message != nil {
				got = e.Message.Text()
			}
		}
		if got != want {
			t.Errorf("%s brings %q, want %q", transport, got, want)
		}
	}
}

// A reader that takes nothing is cut when the time is over, and not before.
func TestAStopCutsWhatDoesNotEnd(t *testing.T) {
	t.Run("in front", func(t *testing.T) { stopHalfway(t, "10") })
	t.Run("in net/http", func(t *testing.T) { stopHalfway(t, "100000") })
}

func stopHalfway(t *testing.T, length string) {
	s, stop := start(t, func(c *Config) { c.StopTimeout = 2 * time.Second })
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/channels/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+length+"\r\n\r\nhalf")
	waitFor(t, func() bool { return s.underWay() == 1 })
	began := time.Now()
	if err := stop(); err == nil {
		t.Error("nothing is said of the request that was cut")
	}
	if took := time.Since(began); took < 900*time.Millisecond || took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestReadinessFailsWhileStopping(t *testing.T) {
	s, _ := start(t, nil)
	s.failReadiness(t.Context())
	if status, body := get(t, s.URL()+"/readyz", nil); status != 503 || body != "stopping\n" {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get(t, s.URL()+"/healthz", nil); status != 200 {
		t.Errorf("it counts as dead: %d", status)
	}
}

func TestShutdownWithoutAStart(t *testing.T) {
	c := Defaults()
	c.Dev, c.Listen = true, "localhost:0"
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	url := s.URL()
	for range 2 {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("the port is still open")
	}
}
