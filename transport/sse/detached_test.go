package sse

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/request"
)

func newPool(t *testing.T, hub *todoke.Hub, o evented.Options) *evented.Pool {
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

// serveDetached serves streams of any channel over a server whose connections can leave it.
func serveDetached(t *testing.T, h http.Handler, secure bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnContext = evented.ConnContext
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

func detachedHandler(hub *todoke.Hub, o Options) http.Handler {
	h := NewHandler(hub, o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read, err := request.ParseRead(r, nil)
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		h.ServeRead(w, r, read)
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// rawStream opens a stream by hand, and returns what follows the response's head.
func rawStream(t *testing.T, server *httptest.Server, version, query string) (body *bufio.Reader, head http.Header, conn net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET /?%s HTTP/%s\r\nHost: x\r\n\r\n", query, version)
	body = bufio.NewReader(conn)
	status, err := body.ReadString('\n')
	if err != nil || !strings.Contains(status, " 200 ") {
		t.Fatalf("%q %v", status, err)
	}
	head = http.Header{}
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line = strings.TrimSpace(line); line == "" {
			return body, head, conn
		}
		name, value, _ := strings.Cut(line, ":")
		head.Add(name, strings.TrimSpace(value))
	}
}

// readChunk reads one chunk as RFC 9112 §7.1 has it, strictly; "" is the last.
func readChunk(t *testing.T, body *bufio.Reader) string {
	t.Helper()
	size, err := body.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(size, "\r\n"), 16, 32)
	if err != nil || !strings.HasSuffix(size, "\r\n") {
		t.Fatalf("%q is no chunk's head", size)
	}
	data := make([]byte, n+2)
	if _, err := io.ReadFull(body, data); err != nil || string(data[n:]) != "\r\n" {
		t.Fatalf("chunk of %d bytes ends with %q, %v", n, data[n:], err)
	}
	return string(data[:n])
}

// Every event after the opening is a chunk of its own; at the drain comes the last chunk, and then the end.
func TestDetachedChunks(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 2}}})
	pool := newPool(t, hub, evented.Options{Workers: 1})
	server := serveDetached(t, detachedHandler(hub, Options{Pool: pool, KeepAlive: 200 * time.Millisecond}), false)
	first := publish(t, hub, "a", "1", "2", "3", "4")
	first.Offset = 1
	body, head, _ := rawStream(t, server, "1.1", "channel=a&since="+first.String())
	if head.Get("Transfer-Encoding") != "chunked" {
		t.Fatalf("%v", head)
	}
	opening := ""
	for !strings.Contains(opening, EventPosition) {
		opening += readChunk(t, body)
	}
	eventually(t, "the stream to leave net/http", func() bool { return pool.Links() == 1 })
	if gap := readChunk(t, body); !strings.HasPrefix(gap, "event: "+EventGap) {
		t.Errorf("%q", gap)
	}
	sizes := []int{0, 1, 14, 15, 16, 17, 4000, 70_000, 900_000}
	for _, want := range []string{"3", "4"} {
		if got := readChunk(t, body); !strings.HasSuffix(got, "data: "+want+"\n\n") {
			t.Errorf("%q", got)
		}
	}
	for _, size := range sizes {
		data := strings.Repeat("x", size)
		p := publish(t, hub, "a", data)
		got := readChunk(t, body)
		for strings.HasPrefix(got, ": \n") { // a keep-alive came first
			got = readChunk(t, body)
		}
		if got != "id: "+p.String()+"\ndata: "+data+"\n\n" {
			t.Errorf("%d bytes: %.60q", size, got)
		}
	}
	if got := readChunk(t, body); !strings.HasPrefix(got, ": \n") || !strings.Contains(got, "id: "+hub.Head().String()) {
		t.Errorf("the keep-alive is %q", got)
	}
	hub.Drain(0)
	var got string
	for got = readChunk(t, body); strings.HasPrefix(got, ": \n"); got = readChunk(t, body) {
		continue
	}
	if got != "retry: 0\n\n" || readChunk(t, body) != "" {
		t.Errorf("at the drain: %q", got)
	}
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("after the last chunk: %q, %v", rest, err)
	}
}

// net/http's client reads a stream to its end, and finds it whole.
func TestDetachedReadByNetHTTP(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	pool := newPool(t, hub, evented.Options{Workers: 2})
	server := serveDetached(t, detachedHandler(hub, Options{Pool: pool}), false)
	start := publish(t, hub, "a", "0")
	const total = 3000
	for i := 1; i <= total; i++ {
		publish(t, hub, "a", strconv.Itoa(i))
	}
	res, err := server.Client().Get(server.URL + "/?channel=a&since=" + start.String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	hub.Drain(0)
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for line := range strings.Lines(string(text)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok && data[0] != '{' {
			if data != strconv.Itoa(next)+"\n" {
				t.Fatalf("%q came instead of %d", data, next)
			}
			next++
		}
	}
	if next != total+1 {
		t.Errorf("%d of %d messages came", next-1, total)
	}
	res.Body.Close()
	server.Client().CloseIdleConnections()
	eventually(t, "the link to end", func() bool { return pool.Links() == 0 })
}

// What cannot leave net/http stays on its goroutine, and works.
func TestWhatStaysOnItsGoroutine(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	pool := newPool(t, hub, evented.Options{Workers: 1})
	h := detachedHandler(hub, Options{Pool: pool})
	expect := func(t *testing.T, body io.Reader, n int) {
		t.Helper()
		publish(t, hub, "a", fmt.Sprintf("message %d", n))
		lines := bufio.NewReader(body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line == fmt.Sprintf("data: message %d\n", n) {
				break
			}
		}
		if links := pool.Links(); links != 0 {
			t.Errorf("%d links", links)
		}
	}
	t.Run("HTTP/1.0", func(t *testing.T) {
		body, head, _ := rawStream(t, serveDetached(t, h, false), "1.0", "channel=a")
		if head.Get("Transfer-Encoding") != "" {
			t.Errorf("%v", head)
		}
		expect(t, body, 1)
	})
	for _, proto := range []int{1, 2} {
		t.Run(fmt.Sprintf("TLS, HTTP/%d", proto), func(t *testing.T) {
			server := serveDetached(t, h, true)
			client := server.Client()
			if proto == 1 {
				transport := client.Transport.(*http.Transport).Clone()
				transport.Protocols = new(http.Protocols)
				transport.Protocols.SetHTTP1(true)
				transport.ForceAttemptHTTP2 = false
				transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
				client = &http.Client{Transport: transport}
				defer transport.CloseIdleConnections()
			}
			res, err := client.Get(server.URL + "/?channel=a")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.ProtoMajor != proto {
				t.Errorf("it is %s", res.Proto)
			}
			expect(t, res.Body, 10+proto)
		})
	}
	t.Run("compressed by a middleware", func(t *testing.T) {
		server := serveDetached(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			h.ServeHTTP(zipped{w, z}, r)
		}), false)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/?channel=a", nil)
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, z, 20)
	})
}

// zipped is a middleware's writer. Through Unwrap the connection could be had.
type zipped struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (z zipped) Write(p []byte) (int, error) { return z.z.Write(p) }
func (z zipped) Unwrap() http.ResponseWriter { return z.ResponseWriter }
func (z zipped) FlushError() (err error) {
	return errors.Join(z.z.Flush(), http.NewResponseController(z.ResponseWriter).Flush())
}

// Whatever a format makes of a message, net/http's reader of chunks finds the same in the chunk.
func FuzzChunk(f *testing.F) {
	f.Add([]byte("x"), []byte("y\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, before, data []byte) {
		if len(data) == 0 {
			return // would be the last chunk: there is no event without a byte
		}
		text := appendChunk(bytes.Clone(before), data)
		if !bytes.HasPrefix(text, before) {
			t.Fatal("what stood before was changed")
		}
		head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(text[len(before):]), strings.NewReader(lastChunk))), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q %v", got, err)
		}
	})
}
