package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var transports = []string{"poll", "longpoll", "sse", "websocket", "session", "auto"}

func publish(t *testing.T, url, channel, data string) {
	t.Helper()
	resp, err := http.Post(url+"/v1/channels/"+channel+"/messages", "text/plain", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func TestSubPrintsLiveMessagesOverEveryTransport(t *testing.T) {
	_, url := serve(t)
	publish(t, url, "demo", "1")
	subs := map[string]*process{}
	for _, transport := range transports {
		subs[transport] = launch(t, nil, "", "sub", "demo", "--url", url, "--transport", transport, "--since", "earliest", "--count", "20", "--output", "raw")
	}
	for _, p := range subs {
		until(t, &p.out, "1\n") // it is connected
	}
	pub := launch(t, nil, lines(2, 20), "pub", "demo", "-", "--url", url)
	if exit := pub.end(t); exit != 0 || strings.Count(pub.out.String(), "\n") != 19 {
		t.Fatalf("pub: exit %d\n%s%s", exit, &pub.out, &pub.err)
	}
	for transport, p := range subs {
		if exit := p.end(t); exit != 0 || p.out.String() != lines(1, 20) {
			t.Errorf("%s: exit %d\n%s%s", transport, exit, &p.out, &p.err)
		}
	}
}

// A cutter passes connections on to a server and cuts them when told to.
type cutter struct {
	net.Listener
	to string

	mu    sync.Mutex
	conns map[net.Conn]bool
	cuts  int // connections that were cut
}

func newCutter(t *testing.T, url string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: strings.TrimPrefix(url, "http://"), conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cut()
		running.Wait()
	})
	return c
}

func (c *cutter) pass(conn net.Conn) {
	defer conn.Close()
	onward, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer onward.Close()
	c.mu.Lock()
	c.conns[conn] = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		io.Copy(onward, conn)
		onward.Close()
		close(done)
	}()
	io.Copy(conn, onward)
	conn.Close()
	<-done
	c.mu.Lock()
	delete(c.conns, conn)
	c.mu.Unlock()
}

// cut cuts all connections, without a good-bye.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		c.cuts++
	}
}

func TestSubResumesAfterCutsOverEveryTransport(t *testing.T) {
	_, url := serve(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := newCutter(t, url)
			channel := "cut-" + transport
			publish(t, url, channel, "1")
			p := launch(t, nil, "", "sub", channel, "--url", "http://"+c.Addr().String(), "--transport", transport, "--since", "earliest", "--count", "300", "--output", "raw")
			for n := 1; n < 300; n++ {
				publish(t, url, channel, fmt.Sprint(n+1))
				if n%100 == 0 { // what follows is published while nobody is connected
					until(t, &p.out, fmt.Sprintf("(?m)^%d$", n))
					c.cut()
				}
			}
			if exit := p.end(t); exit != 0 || p.out.String() != lines(1, 300) {
				t.Errorf("exit %d\n%.500s\n%s", exit, &p.out, &p.err)
			}
			if c.cuts == 0 {
				t.Error("nothing was cut")
			}
		})
	}
}

func TestServeStopsGracefullyWithStreamsOpen(t *testing.T) {
	server, url := serve(t)
	publish(t, url, "demo", "before")
	subs := map[string]*process{}
	for _, transport := range transports {
		subs[transport] = launch(t, nil, "", "sub", "demo", "--url", url, "--transport", transport, "--since", "earliest", "--output", "raw")
	}
	for _, p := range subs {
		until(t, &p.out, "before\n")
	}
	began := time.Now()
	server.signal(t, syscall.SIGTERM)
	if exit := server.end(t); exit != 0 {
		t.Errorf("exit %d\n%s", exit, &server.err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	// The readers come again by themselves, and are told what the new server does not have.
	launch(t, nil, "", "serve", "--dev", "--listen", strings.TrimPrefix(url, "http://"))
	waitReady(t, url)
	publish(t, url, "demo", "after")
	for transport, p := range subs {
		until(t, &p.out, "before\nafter\n")
		until(t, &p.err, "gap: messages of demo")
		p.signal(t, os.Interrupt.(syscall.Signal))
		if exit := p.end(t); exit != 0 {
			t.Errorf("%s: exit %d\n%s", transport, exit, &p.err)
		}
	}
}

func waitReady(t *testing.T, url string) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 2000 {
		if resp, err := http.Get(url + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		<-ticker.C
	}
	t.Fatal("the server never got ready")
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	server, url := serve(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A request that does not end by itself.
	io.WriteString(conn, "POST /v1/channels/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); err != nil { // 100: the handler reads
		t.Fatal(err)
	}
	server.signal(t, syscall.SIGTERM)
	waitNotReady(t, url)
	server.signal(t, syscall.SIGTERM)
	if server.end(t); server.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("%s\n%s", server.ProcessState, &server.err)
	}
}

func waitNotReady(t *testing.T, url string) {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return // the port is closed: it is stopping
		}
		conn.Close()
	}
}

func TestCtrlCTellsHowToGoOn(t *testing.T) {
	_, url := serve(t)
	publish(t, url, "demo", "hello")
	p := launch(t, []string{"TODOKE_URL=" + url}, "", "sub", "demo", "room:*", "--since", "earliest", "--output", "raw")
	until(t, &p.out, "hello\n")
	p.signal(t, os.Interrupt.(syscall.Signal))
	if exit := p.end(t); exit != 0 {
		t.Errorf("exit %d", exit)
	}
	until(t, &p.err, `todoke: stopped at [0-9a-z]+-1; go on with: todoke sub demo 'room:\*' --since [0-9a-z]+-1 --output raw\n`)
}

func TestSubWaitsForAServerThatIsNotThereYet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	p := launch(t, nil, "", "sub", "demo", "--url", "http://"+address, "--count", "1", "--since", "earliest")
	until(t, &p.err, "connecting again")
	launch(t, nil, "", "serve", "--dev", "--listen", address)
	waitReady(t, "http://"+address)
	publish(t, "http://"+address, "demo", "hello")
	if exit := p.end(t); exit != 0 || !strings.Contains(p.out.String(), "hello") {
		t.Errorf("exit %d\n%s%s", exit, &p.out, &p.err)
	}
}

func TestPubOfManyLinesKeepsTheirOrder(t *testing.T) {
	_, url := serve(t)
	for _, transport := range []string{"http", "session"} {
		p := launch(t, []string{"TODOKE_URL=" + url}, lines(1, 2000), "pub", "many-"+transport, "-", "--transport", transport)
		if exit := p.end(t); exit != 0 || strings.Count(p.out.String(), "\n") != 2000 {
			t.Fatalf("exit %d\n%s", exit, &p.err)
		}
		s := launch(t, []string{"TODOKE_URL=" + url}, "", "sub", "many-"+transport, "--since", "earliest", "--count", "2000", "--output", "raw")
		if s.end(t); s.out.String() != lines(1, 2000) {
			t.Errorf("%s: %.200s…\n%s", transport, &s.out, &s.err)
		}
	}
}

func TestEveryCommandHelps(t *testing.T) {
	for _, args := range []string{"", "serve", "pub", "sub", "version"} {
		p := launch(t, nil, "", append(strings.Fields(args), "--help")...)
		if exit := p.end(t); exit != 0 || !strings.Contains(p.out.String(), "Examples:") {
			t.Errorf("%s: exit %d\n%s", args, exit, &p.out)
		}
	}
	p := launch(t, nil, "", "version")
	if p.end(t); !strings.HasPrefix(p.out.String(), "todoke ") || !strings.Contains(p.out.String(), "go1.") {
		t.Errorf("%s", &p.out)
	}
}

// The settings come in by every door.
func TestServeTakesFlagsEnvironmentAndFile(t *testing.T) {
	path := t.TempDir() + "/todoke.yaml"
	if err := os.WriteFile(path, []byte("dev: true\nlisten: localhost:0\nnamespaces:\n  few: {retain_messages: 2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, []string{"TODOKE_CONFIG=" + path, "TODOKE_RETAIN_MESSAGES=3"}, "", "serve", "--log-format", "json")
	url := until(t, &p.err, `"url":"(http://[^"]+)"`)[1]
	for channel, want := range map[string]int{"few:a": 2, "other": 3} {
		for i := range 5 {
			publish(t, url, channel, fmt.Sprint(i))
		}
		resp, err := http.Get(url + "/v1/channels/" + channel + "/messages?since=earliest")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := strings.Count(string(body), `"id"`); got != want {
			t.Errorf("%s keeps %d messages, want %d: %s", channel, got, want, body)
		}
	}
}
