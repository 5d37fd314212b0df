//go:build unix

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/storetest"
	"github.com/todoke-dev/todoke/transport/transporttest"
)

// A node whose Redis is killed, or says nothing, is not ready and takes no messages; its readers keep their connections,
// and have everything in order once when it is back.
func TestAnOutageOfRedis(t *testing.T) {
	for name, links := range map[string]string{"evented": LinksEvented, "goroutines": LinksGoroutine} {
		t.Run(name, func(t *testing.T) { outageOfRedis(t, links) })
	}
}

func outageOfRedis(t *testing.T, links string) {
	redis := storetest.Redis(t)
	s, _ := start(t, func(c *Config) { c.Engine, c.Links = redis.URL+"?write_timeout=1s", links })
	readers := map[string]transporttest.Reader{}
	for _, d := range transporttest.Drivers() {
		if d.Polls {
			continue
		}
		r, err := d.Open(t.Context(), s.URL(), []string{"a"}, "now")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers[d.Name] = r
	}
	sent := 0
	send := func(n int) {
		t.Helper()
		for range n {
			waitFor(t, func() bool {
				m := todoke.Message{Channel: "a", Data: fmt.Append(nil, sent), IdempotencyKey: fmt.Sprint(sent)}
				_, err := s.Hub().Publish(t.Context(), m)
				return err == nil
			})
			sent++
		}
	}
	seen := 0
	drain := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for name, r := range readers {
			for i := seen; i < sent; i++ {
				e, err := r.Next(ctx)
				if err != nil || e.Message == nil || e.Message.Text() != fmt.Sprint(i) {
					t.Fatalf("%s: %+v, %v instead of %d", name, e, err, i)
				}
			}
		}
		seen = sent
	}
	send(5)
	drain()
	for _, fault := range []struct {
		name       string
		lose, back func()
	}{
		{"killed", redis.Kill, redis.Run},
		{"silent", redis.Pause, redis.Resume},
	} {
		fault.lose()
		waitFor(t, func() bool {
			status, body := get(t, s.URL()+"/readyz", nil)
			return status == http.StatusServiceUnavailable && strings.Contains(body, "the log cannot be reached since")
		})
		refusesPublishes(t, s, fault.name)
		if status, _ := get(t, s.URL()+"/healthz", nil); status != http.StatusOK {
			t.Errorf("%s: the process is said to be ill", fault.name)
		}
		fault.back()
		waitFor(t, func() bool {
			status, _ := get(t, s.URL()+"/readyz", nil)
			return status == http.StatusOK
		})
		send(20)
		drain()
	}
}

// refusesPublishes tries one by HTTP and one in a session.
func refusesPublishes(t *testing.T, s *Server, what string) {
	t.Helper()
	resp, err := http.Post(s.URL()+"/v1/channels/a/messages", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var problem struct{ Code todoke.Code }
	if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil || resp.StatusCode != 503 || problem.Code != todoke.CodeUnavailable || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("%s: a publish gets %d, %+v, retry after %q (%v)", what, resp.StatusCode, problem, resp.Header.Get("Retry-After"), err)
	}
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL(), "http")+"/v1/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"id":7,"publish":{"channel":"a","data":"x"}}`)); err != nil {
		t.Fatal(err)
	}
	for {
		_, text, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"id":7`) {
			if !strings.Contains(string(text), `"code":"unavailable"`) {
				t.Errorf("%s: a session's publish gets %s", what, text)
			}
			return
		}
	}
}
