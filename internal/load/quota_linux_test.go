package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// However many publishers there are for however many channels, each channel gets the number that was asked for.
func TestPublishEach(t *testing.T) {
	var mu sync.Mutex
	counts := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		counts[strings.Split(r.URL.Path, "/")[3]]++
	}))
	defer server.Close()
	for _, c := range []struct{ channels, publishers, n int }{{1, 1, 3}, {1, 5, 3}, {1, 3, 5}, {3, 4, 7}, {4, 3, 7}, {10, 4, 1}, {3, 16, 2}, {5, 5, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			config, err := Config{Scenario: "publish", URL: server.URL, Channels: c.channels, Publishers: c.publishers}.WithDefaults()
			if err != nil {
				t.Fatal(err)
			}
			e, err := newEngine(config)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			if err := e.addPublishers(); err != nil {
				t.Fatal(err)
			}
			if err := e.connectPublishers(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := e.publishExactly(t.Context(), c.n); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range c.channels {
				if name := e.channel(uint32(i)); counts[name] != c.n {
					t.Errorf("channel %d got %d messages, want %d", i, counts[name], c.n)
				}
			}
			if e.total.published != int64(c.n*c.channels) {
				t.Errorf("%d were published", e.total.published)
			}
		})
	}
}
