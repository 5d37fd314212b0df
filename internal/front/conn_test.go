//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A client that says its last word with its request gets its answer and then the end, at once, on the first request and on later ones.
func TestEndThatComesWithARequest(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" { // whatever is sent meanwhile is found in one go
			entered <- struct{}{}
			<-leave
		}
		io.WriteString(w, "ok")
	}), func(o *Options) { o.Inline = func(r *http.Request) bool { return r.Method == "POST" } })
	for _, script := range []string{get(""), post("", ""), get("") + post("", "")} {
		for _, before := range []int{0, 1} {
			conn := dial(t, address)
			from := bufio.NewReader(conn)
			for range before {
				send(t, conn, get(""))
				answer(t, from)
			}
			// The front's turn is kept, so that it finds all of it at once.
			other := dial(t, address)
			send(t, other, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
			<-entered
			send(t, conn, script)
			conn.CloseWrite()
			for range strings.Count(script, "Host:") {
				answer(t, from)
			}
			ended(t, from)
			leave <- struct{}{}
		}
	}
}

// Many connections that go over to net/http at once, while others wait for the turn, do not stop each other.
func TestManyHandOversAtOnce(t *testing.T) {
	var asked, added atomic.Int32
	reached, goOn := make(chan struct{}), make(chan struct{})
	f, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isPlain(r) {
			w.Header().Set(viaNetHTTP, "1")
		}
	}), func(o *Options) {
		o.Takes = func(r *http.Request) bool { // it is called at the turn
			if r.URL.Path == "/other" && asked.Add(1) == 20 {
				close(reached)
				<-goOn
			}
			return r.URL.Path != "/other"
		}
	})
	const many = 400
	conns := make([]*net.TCPConn, many)
	for i := range conns {
		conns[i] = dial(t, address)
		send(t, conns[i], get(""))
		answer(t, bufio.NewReader(conns[i]))
	}
	var all sync.WaitGroup
	for _, conn := range conns {
		all.Go(func() {
			io.WriteString(conn, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || response.Header.Get(viaNetHTTP) == "" {
				t.Errorf("not handed over: %v", err)
			}
		})
	}
	<-reached
	all.Go(func() {
		for range 300 {
			f.workers[0].Do(func() {})
			added.Add(1)
		}
	})
	waitFor(t, "many want the turn", func() bool { return added.Load() >= 200 })
	close(goOn)
	all.Wait()
}

// The context of a request ends when its client goes, whether or not anything was flushed.
func TestClientGoes(t *testing.T) {
	for name, first := range map[string]bool{"on the first request": true, "on a later one": false} {
		t.Run(name, func(t *testing.T) {
			entered, ended := make(chan struct{}), make(chan struct{})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			conn := dial(t, l.Addr().String())
			if first { // the acceptor finds the request at once
				send(t, conn, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			startOn(t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/wait" {
					close(entered)
					<-r.Context().Done()
					close(ended)
				}
			}), nil)
			if !first {
				send(t, conn, get(""))
				answer(t, bufio.NewReader(conn))
				send(t, conn, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			<-entered
			conn.Close()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Error("the handler was not told")
			}
		})
	}
}

// A client that has said its last word still gets all of a large answer.
func TestLargeAnswerAfterTheLastWord(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB, more than the kernel holds
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // that was it
		w.Write(body)
	}), nil)
	conn := dial(t, address)
	send(t, conn, get(""))
	conn.CloseWrite()
	response, got := answer(t, bufio.NewReader(conn))
	if response.StatusCode != 200 || got != string(body) {
		t.Errorf("%s, %d bytes of %d", response.Status, len(got), len(body))
	}
}

func TestWriteDeadline(t *testing.T) {
	failed := make(chan error, 1)
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				failed <- err
				return
			}
		}
	}), nil)
	conn := dial(t, address)
	send(t, conn, get(""))
	select {
	case err := <-failed:
		if !os.IsTimeout(err) {
			t.Errorf("%v is no timeout", err)
		}
	case <-time.After(patience):
		t.Error("nothing stopped the handler")
	}
}

// What a handler has left behind writes to nobody.
func TestWriterAfterItsHandler(t *testing.T) {
	var left atomic.Pointer[http.ResponseWriter]
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("X-Secret", "of the first")
			left.Store(&w)
			return
		}
		old := *left.Load()
		old.Header().Set("X-Secret", "of the first")
		if _, err := io.WriteString(old, "secret"); err == nil {
			t.Error("it could be written")
		}
		if err := http.NewResponseController(old).Flush(); err == nil {
			t.Error("it could be flushed")
		}
		if _, _, err := http.NewResponseController(old).Hijack(); err == nil {
			t.Error("it could be hijacked")
		}
		io.WriteString(w, "mine")
	}), nil)
	conn := dial(t, address)
	from := bufio.NewReader(conn)
	send(t, conn, get(""))
	answer(t, from)
	send(t, conn, post("", ""))
	response, body := answer(t, from)
	if body != "mine" || response.Header.Get("X-Secret") != "" {
		t.Errorf("%q %v", body, response.Header)
	}
}

// A handler that takes the connection over finds all that has come, however much.
func TestHijackWithEarlyBytes(t *testing.T) {
	early := strings.Repeat("early", 4000)
	got := make(chan string, 1)
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := w.Write([]byte("x")); err != http.ErrHijacked {
			t.Errorf("written after that: %v", err)
		}
		if _, _, err := http.NewResponseController(w).Hijack(); err != http.ErrHijacked {
			t.Errorf("hijacked again: %v", err)
		}
		local, remote := conn.LocalAddr().String(), conn.RemoteAddr().String()
		buffered, _ := rw.Peek(rw.Reader.Buffered()) // as WebSocket libraries do
		rest, _ := io.ReadAll(io.MultiReader(bytes.NewReader(buffered), conn))
		if remote != r.RemoteAddr || conn.LocalAddr().String() != local {
			t.Errorf("addresses %s, %s", remote, local)
		}
		got <- string(rest)
	}), nil)
	conn := dial(t, address)
	send(t, conn, get("Upgrade: websocket\r\nConnection: Upgrade\r\n")+early)
	send(t, conn, "late")
	conn.CloseWrite()
	if rest := <-got; rest != early+"late" {
		t.Errorf("%d bytes of %d", len(rest), len(early)+4)
	}
}

// A handler may end its goroutine: the connection ends with it.
func TestHandlerEndsItsGoroutine(t *testing.T) {
	_, address := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }), nil)
	conn := dial(t, address)
	send(t, conn, get(""))
	ended(t, conn)
}

func TestTimeouts(t *testing.T) {
	const short = 50 * time.Millisecond
	seen := make(chan string, 1)
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if seen <- string(body); isPlain(r) {
			w.Header().Set(viaNetHTTP, "1")
		}
	}), func(o *Options) { o.HeadTimeout, o.IdleTimeout = short, short })
	t.Run("nothing comes", func(t *testing.T) { ended(t, dial(t, address)) })
	t.Run("a head never ends", func(t *testing.T) {
		conn := dial(t, address)
		send(t, conn, "GET / HTTP/1.1\r\nHo")
		ended(t, conn)
	})
	t.Run("idle", func(t *testing.T) {
		conn := dial(t, address)
		from := bufio.NewReader(conn)
		send(t, conn, get(""))
		<-seen
		answer(t, from)
		ended(t, from)
	})
	t.Run("a body takes its time", func(t *testing.T) {
		f, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			seen <- string(body)
		}), func(o *Options) { o.HeadTimeout = short })
		conn := dial(t, address)
		send(t, conn, post("Content-Length: 5\r\n", "he"))
		waitFor(t, "net/http has it", func() bool { return f.workers[0].Connections() == 0 && f.Busy() == 0 })
		send(t, conn, "llo")
		answer(t, bufio.NewReader(conn))
		if body := <-seen; body != "hello" {
			t.Errorf("%q", body)
		}
	})
}

// A head that comes in very many pieces is net/http's.
func TestManyPieces(t *testing.T) {
	f, address := start(t, http.HandlerFunc(tell), nil)
	conn := dial(t, address)
	for i, text := 0, get(""); i < len(text); i++ {
		send(t, conn, text[i:i+1])
		if i < 30 { // one at a time
			waitFor(t, "read", func() bool { return f.Busy() == 1 || f.workers[0].Connections() == 0 && i >= maxPieces })
		}
	}
	answer(t, bufio.NewReader(conn))
}

func TestShutdown(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	f, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			entered <- struct{}{}
			<-leave
		}
		io.WriteString(w, "ok")
	}), nil)
	idle, busy, half := dial(t, address), dial(t, address), dial(t, address)
	send(t, idle, get(""))
	fromIdle, fromBusy, fromHalf := bufio.NewReader(idle), bufio.NewReader(busy), bufio.NewReader(half)
	answer(t, fromIdle)
	send(t, busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	send(t, half, "GET / HTTP/1.1\r\nHo")
	waitFor(t, "half a request is busy", func() bool { return f.Busy() == 2 })
	done := make(chan error, 1)
	go func() { done <- f.Shutdown(context.Background()) }()
	ended(t, fromIdle)
	send(t, half, "st: a\r\n\r\n")
	if response, body := answer(t, fromHalf); body != "ok" || !response.Close {
		t.Errorf("half: %q, close %v", body, response.Close)
	}
	ended(t, fromHalf)
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	close(leave)
	if response, body := answer(t, fromBusy); body != "ok" || !response.Close {
		t.Errorf("busy: %q, close %v", body, response.Close)
	}
	ended(t, fromBusy)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("somebody is let in")
	}
}

// Stop ends a handler that waits for its context or for room, on a connection's first request too, and leaves no descriptor.
func TestStop(t *testing.T) {
	before := descriptors(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fast" {
			return
		}
		entered <- struct{}{}
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	f, err := Listen(l, Options{
		Handler: handler, Takes: func(*http.Request) bool { return true }, Context: context.Background(),
		HeadTimeout: patience, IdleTimeout: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		_, err := f.Accept()
		accepted <- err
	}()
	var conns []*net.TCPConn
	for _, path := range []string{"/wait", "/write", "/fast"} {
		for _, warm := range []bool{false, true} {
			conn := dial(t, l.Addr().String())
			conns = append(conns, conn)
			if warm || path == "/fast" {
				send(t, conn, "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
				answer(t, bufio.NewReader(conn))
			}
			if path != "/fast" {
				send(t, conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
				<-entered
			}
		}
	}
	f.Stop()
	f.Stop()
	if err := <-accepted; err != net.ErrClosed {
		t.Error(err)
	}
	for _, conn := range conns {
		conn.Close()
	}
	waitFor(t, "every descriptor is closed", func() bool { return descriptors(t) <= before })
}

// descriptors is how many of them are sockets or epoll instances.
func descriptors(t *testing.T) (n int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, entry := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
