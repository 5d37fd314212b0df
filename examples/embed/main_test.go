package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/transport/transporttest"
)

// Whichever router stands in front, every transport passes the whole suite, and the service's own handlers work.
func TestRouters(t *testing.T) {
	for name, build := range routers {
		t.Run(name, func(t *testing.T) {
			setup := func(t testing.TB, o todoke.Options) transporttest.Server {
				o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
				hub, err := todoke.New(o)
				if err != nil {
					t.Fatal(err)
				}
				server := httptest.NewServer(build(hub))
				t.Cleanup(func() {
					hub.Close()
					server.CloseClientConnections()
					server.Close()
				})
				return transporttest.Server{Hub: hub, URL: server.URL}
			}
			transporttest.Run(t, setup, transporttest.Drivers())
			ownHandlers(t, setup(t, todoke.Options{}))
		})
	}
}

// ownHandlers decide themselves: they need no Authorizer.
func ownHandlers(t *testing.T, s transporttest.Server) {
	resp, err := http.Get(s.URL + "/news")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	told, err := http.Post(s.URL+"/tell", "text/plain", strings.NewReader("hello"))
	if err != nil || told.StatusCode != http.StatusNoContent {
		t.Fatal(told.Status, err)
	}
	told.Body.Close()
	got := make(chan string, 1)
	go func() {
		var text strings.Builder
		buffer := make([]byte, 1024)
		for !strings.Contains(text.String(), "data: hello\n\n") {
			n, err := resp.Body.Read(buffer)
			text.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		got <- text.String()
	}()
	select {
	case text := <-got:
		if !strings.Contains(text, "data: hello\n\n") {
			t.Errorf("the stream brought %q", text)
		}
	case <-time.After(30 * time.Second):
		t.Error("the message did not come")
	}
	c, err := client.New(s.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), todoke.Message{Channel: "news"}); err == nil {
		t.Error("the gate is open without an Authorizer")
	}
}
