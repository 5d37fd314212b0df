package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A faulty is a server that does wrong on purpose: what it makes of the n-th message is mangle's to say. Each reader gets its own stream
// of events, and the same.
type faulty struct {
	mu      sync.Mutex
	readers map[chan string]bool
	n       int
	mangle  func(n int, event string) []string
	answer  func(w http.ResponseWriter, n int) // nil: 200
	held    string                             // for mangle
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		f.publish(w, r)
		return
	}
	events := make(chan string, 10000)
	f.mu.Lock()
	f.readers[events] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, events)
	}()
	out := http.NewResponseController(w)
	out.Flush()
	for {
		select {
		case e := <-events:
			if e == "" {
				return
			}
			io.WriteString(w, e)
			out.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (f *faulty) publish(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.answer != nil {
		f.answer(w, f.n)
	}
	for _, e := range f.mangle(f.n, fmt.Sprintf("id: %d\ndata: %s\n\n", f.n, body)) {
		for reader := range f.readers {
			reader <- e
		}
	}
}

func same(_ int, event string) []string { return []string{event} }

// against runs a fan-out of exactly 100 messages to 3 readers.
func against(t *testing.T, f *faulty) (*Result, error) {
	t.Helper()
	f.readers = map[chan string]bool{}
	server := httptest.NewServer(f)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return Run(t.Context(), Config{
		Scenario: "fanout", URL: server.URL, Readers: 3, Publishers: 1, Rate: 1000, For: 100 * time.Millisecond, Warmup: time.Nanosecond,
		Quiet: time.Second,
	})
}

func TestFaultsAreFound(t *testing.T) {
	for _, c := range []struct {
		name                                           string
		mangle                                         func(f *faulty) func(n int, event string) []string
		lost, duplicated, reordered, misplaced, closed int64
	}{
		{name: "nothing wrong", mangle: func(*faulty) func(int, string) []string { return same }},
		{name: "the 7th and the last lost", lost: 3 * 2, mangle: func(*faulty) func(int, string) []string {
			return func(n int, event string) []string {
				if n == 7 || n == 101 { // the first one is the warm-up's
					return nil
				}
				return []string{event}
			}
		}},
		{name: "the 9th twice", duplicated: 3, mangle: func(*faulty) func(int, string) []string {
			return func(n int, event string) []string {
				if n == 9 {
					return []string{event, event}
				}
				return []string{event}
			}
		}},
		{name: "the 11th behind the 12th", reordered: 3, mangle: func(f *faulty) func(int, string) []string {
			return func(n int, event string) []string {
				switch n {
				case 11:
					f.held = event
					return nil
				case 12:
					return []string{event, f.held}
				}
				return []string{event}
			}
		}},
		{name: "the 13th with another channel's number", lost: 3, misplaced: 3, mangle: func(*faulty) func(int, string) []string {
			return func(n int, event string) []string {
				if n == 13 {
					event = strings.Replace(event, ".00000000", ".00000001", 1)
				}
				return []string{event}
			}
		}},
		{name: "the readers are cut behind the 50th", lost: 3 * 51, closed: 3, mangle: func(*faulty) func(int, string) []string {
			return func(n int, event string) []string {
				if n == 50 {
					return []string{event, ""}
				}
				return []string{event}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := new(faulty)
			f.mangle = c.mangle(f)
			r, err := against(t, f)
			if err != nil {
				t.Fatal(err)
			}
			if r.Lost != c.lost || r.Duplicated != c.duplicated || r.Reordered != c.reordered || r.Misplaced != c.misplaced || r.Closed != c.closed {
				t.Errorf("lost %d, duplicated %d, reordered %d, misplaced %d, closed %d", r.Lost, r.Duplicated, r.Reordered, r.Misplaced, r.Closed)
			}
			if r.Published != 100 || r.OK() != (c.lost+c.duplicated+c.reordered == 0) {
				t.Errorf("published %d, OK %t", r.Published, r.OK())
			}
		})
	}
}

// A publish that is refused is told, and its number is used again: it is not lost.
func TestRefusedPublishes(t *testing.T) {
	f := &faulty{}
	f.mangle = func(n int, event string) []string {
		if n%10 == 0 {
			return nil
		}
		return []string{event}
	}
	f.answer = func(w http.ResponseWriter, n int) {
		if n%10 == 0 {
			http.Error(w, "too much", http.StatusTooManyRequests)
		}
	}
	r, err := against(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if r.Refused != 10 || r.Published != 90 || r.Lost != 0 || r.FirstError != "429: too much\n" {
		t.Errorf("refused %d, published %d, lost %d, first %q", r.Refused, r.Published, r.Lost, r.FirstError)
	}
	var table bytes.Buffer
	if err := r.Write(&table); err != nil || !strings.Contains(table.String(), "10 publishes were refused: 429: too much") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

// Latency counts from when a message was due: of a server that stops for a while, every message that was due meanwhile is late.
func TestLatencyFromWhenItWasDue(t *testing.T) {
	const pause = 60 * time.Millisecond
	f := &faulty{mangle: same}
	f.answer = func(_ http.ResponseWriter, n int) {
		if n == 30 {
			<-time.After(pause) // holds the lock: everybody waits
		}
	}
	r, err := against(t, f)
	if err != nil {
		t.Fatal(err)
	}
	ms := float64(pause / time.Millisecond)
	if r.Latency.Max < ms || r.Ack.Max < ms {
		t.Errorf("latency %v, answers %v: the pause of %v is not seen", r.Latency, r.Ack, pause)
	}
	if r.Latency.P90 < ms/3 { // 60 of 100 messages were due in the pause; they waited for half of it on average
		t.Errorf("latency %v: only what was sent is counted, not what was due", r.Latency)
	}
}

func TestWhatCannotBeDone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		name   string
		config Config
		want   error
		says   string
	}{
		{"no such scenario", Config{Scenario: "x"}, ErrConfig, "fanout"},
		{"no such adapter", Config{Scenario: "fanout", Adapter: "x"}, ErrConfig, "todoke-sse"},
		{"TLS", Config{Scenario: "fanout", URL: "https://localhost"}, ErrConfig, "TLS"},
		{"too small", Config{Scenario: "fanout", Size: 10}, ErrConfig, "49 bytes"},
		{"too many", Config{Scenario: "fanout", Readers: 100_000_000, URL: server.URL}, ErrTooMany, "ulimit"},
		{"nobody there", Config{Scenario: "fanout", Readers: 1, URL: closed.URL}, ErrNotConnected, "refused"},
		{"another server", Config{Scenario: "fanout", Readers: 1, URL: server.URL}, ErrNotConnected, "404"},
		{"no WebSocket", Config{Scenario: "fanout", Adapter: "todoke-ws", Readers: 1, URL: server.URL}, ErrNotConnected, "404"},
		{"no positions", Config{Scenario: "storm", Adapter: "nats", Readers: 1, URL: server.URL}, ErrConfig, "resume"},
	} {
		r, err := Run(t.Context(), c.config)
		if r != nil || !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A server that takes connections and says nothing does not hold up the run for ever, and neither does it when it is given up.
func TestSilentServer(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	c := Config{Scenario: "fanout", URL: silent.URL, Readers: 2, Patience: 50 * time.Millisecond}
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrNotConnected) || !errors.Is(err, errStuck) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c.Patience = time.Minute
	if _, err := Run(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
