//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	w.Header().Set(viaNetHTTP, fmt.Sprint(isPlain(r)))
	w.Header().Set("X-Asked", r.Header.Get("X-Asked"))
	w.Write(body)
}

// Bodies of all sizes come and go, the small ones without net/http, on connections that are kept.
func TestBodies(t *testing.T) {
	_, address := start(t, http.HandlerFunc(echo), nil)
	for _, size := range []int{0, 1, maxBody, maxBody + 1, 1 << 20} {
		client := newClient(t)
		body := bytes.Repeat([]byte("x"), size)
		for range 3 {
			response, err := client.Post("http://"+address+"/v1/publish", "text/plain", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes of %d came back: %v", len(got), size, err)
			}
			if plain := response.Header.Get(viaNetHTTP); plain != fmt.Sprint(size > maxBody) {
				t.Errorf("%d bytes: by net/http: %s", size, plain)
			}
		}
	}
}

func TestManyClients(t *testing.T) {
	for name, inline := range map[string]bool{"on goroutines": false, "at the turn": true} {
		t.Run(name, func(t *testing.T) {
			_, address := start(t, http.HandlerFunc(echo), func(o *Options) {
				o.Inline = func(*http.Request) bool { return inline }
			})
			var all sync.WaitGroup
			for i := range 64 {
				client := newClient(t)
				all.Go(func() {
					for n := range 200 {
						text := fmt.Sprintf("client %d, request %d", i, n)
						r, _ := http.NewRequest(http.MethodPost, "http://"+address+"/v1/publish", strings.NewReader(text))
						r.Header.Set("X-Asked", text)
						response, err := client.Do(r)
						if err != nil {
							t.Error(err)
							return
						}
						body, _ := io.ReadAll(response.Body)
						response.Body.Close()
						if string(body) != text || response.Header.Get("X-Asked") != text {
							t.Errorf("%q, %q; want %q", body, response.Header.Get("X-Asked"), text)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// A wrapped writer is what middleware makes of one.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestStreamThroughMiddleware(t *testing.T) {
	next := make(chan string, 1)
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = wrapped{w}
		control := http.NewResponseController(w)
		for text := range next {
			_ = control.SetWriteDeadline(time.Now().Add(patience))
			io.WriteString(w, text)
			if err := errors.Join(control.Flush(), control.SetWriteDeadline(time.Time{})); err != nil {
				t.Error(err)
			}
		}
	}), nil)
	next <- "part 0"
	response, err := newClient(t).Get("http://" + address + "/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for i := range 5 {
		text := fmt.Sprintf("part %d", i)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
		next <- fmt.Sprintf("part %d", i+1)
	}
	close(next)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "part 5" {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestWebSocket(t *testing.T) {
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(wrapped{w}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for {
			kind, text, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if err := conn.Write(context.Background(), kind, text); err != nil {
				t.Error(err)
			}
		}
	}), nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/v1/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for _, size := range []int{0, 1, 5000, 30_000} {
		text := strings.Repeat("y", size)
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(ctx); err != nil || string(got) != text {
			t.Fatalf("%d bytes of %d: %v", len(got), size, err)
		}
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

// HTTP/2 with prior knowledge is net/http's.
func TestHTTP2(t *testing.T) {
	_, address := start(t, http.HandlerFunc(echo), nil)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for range 2 {
		response, err := client.Post("http://"+address+"/v1/publish", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.ProtoMajor != 2 || string(body) != "hello" || response.Header.Get(viaNetHTTP) != "true" {
			t.Errorf("%s %q %v", response.Proto, body, response.Header)
		}
	}
}

// To TLS a server without it says what net/http says.
func TestTLS(t *testing.T) {
	_, ours := start(t, http.HandlerFunc(echo), nil)
	var said []string
	for _, address := range []string{ours, startPlain(t, http.HandlerFunc(echo))} {
		conn := dial(t, address)
		err := tls.Client(conn, &tls.Config{ServerName: "a"}).Handshake()
		var record tls.RecordHeaderError
		if !errors.As(err, &record) {
			t.Fatal(err)
		}
		said = append(said, string(record.RecordHeader[:]))
	}
	if said[0] != said[1] || said[0] != "HTTP/" {
		t.Errorf("%q", said)
	}
}
