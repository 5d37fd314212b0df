package sse

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

// stressFor is how long the stress test publishes; TODOKE_STRESS=60s has it go on longer.
func stressFor(t *testing.T) time.Duration {
	text := os.Getenv("TODOKE_STRESS")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TODOKE_STRESS: %v", err)
	}
	return d
}

// Streams are opened, read slowly or quickly, cut anywhere and resumed, while several publishers fill their channels. Each client
// sees every message of its channels once, in order.
func TestStress(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 100_000, Bytes: -1, Age: -1}}})
	pool := newPool(t, hub, evented.Options{Workers: 2})
	server := serveDetached(t, detachedHandler(hub, Options{Pool: pool, KeepAlive: 50 * time.Millisecond}), false)
	s := &stress{hub: hub, server: server, counts: map[string]int{}, start: publish(t, hub, "begin", "")}
	interests := [][]string{{"a"}, {"a"}, {"b:1"}, {"a", "b:1"}, {"b:*"}, {"**"}}
	const each = 3
	s.clients = make([]*stressClient, 0, each*len(interests))
	for i := range each * len(interests) {
		c := &stressClient{s: s, interest: interests[i%len(interests)], r: rand.New(rand.NewPCG(seed, uint64(i))), seen: map[string]int{}}
		c.lastID = s.start.String()
		s.clients = append(s.clients, c)
	}
	var publishing, reading sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), stressFor(t))
	defer cancel()
	for p := range 3 {
		publishing.Go(func() { s.publish(t, ctx, rand.New(rand.NewPCG(seed, uint64(1000+p)))) })
	}
	for _, c := range s.clients {
		reading.Go(func() { c.run(t) })
	}
	publishing.Wait()
	s.over.Store(true)
	reading.Wait()
	total, cuts := 0, 0
	for _, c := range s.clients {
		cuts += c.cuts
	}
	for _, n := range s.counts {
		total += n
	}
	t.Logf("%d messages, %d cuts", total, cuts)
	if total == 0 || cuts == 0 {
		t.Error("the test shows nothing")
	}
	eventually(t, "the links to end", func() bool { return pool.Links() == 0 })
}

type stress struct {
	hub     *todoke.Hub
	server  *httptest.Server
	start   todoke.Position
	clients []*stressClient
	over    atomic.Bool // nothing more will be published

	mu     sync.Mutex // so that each channel's numbers are in the order of the log
	counts map[string]int
}

var stressChannels = []string{"a", "b:1", "b:2", "c"}

func (s *stress) publish(t *testing.T, ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		if s.slowest()+5000 < uint64(s.hub.Head().Offset) { // within what is retained
			runtime.Gosched()
			continue
		}
		for range r.IntN(20) {
			size := r.IntN(200)
			if r.IntN(200) == 0 {
				size = r.IntN(200_000)
			}
			channel := stressChannels[r.IntN(len(stressChannels))]
			s.mu.Lock()
			s.counts[channel]++
			data := fmt.Sprintf("%s %d %s", channel, s.counts[channel], strings.Repeat("x", size))
			_, err := s.hub.Publish(context.Background(), todoke.Message{Channel: channel, Data: []byte(data)})
			s.mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
		}
		select { // a publisher in a hurry, and one that pauses
		case <-time.After(time.Duration(r.IntN(3)) * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (s *stress) slowest() uint64 {
	slowest := ^uint64(0)
	for _, c := range s.clients {
		slowest = min(slowest, max(c.at.Load(), uint64(s.start.Offset)))
	}
	return slowest
}

// A stressClient is one client over many connections. Its numbers are its goroutine's, but for at.
type stressClient struct {
	s        *stress
	interest []string
	r        *rand.Rand
	lastID   string
	seen     map[string]int
	at       atomic.Uint64
	cuts     int
}

// done reports whether everything has come.
func (c *stressClient) done() bool {
	if !c.s.over.Load() {
		return false
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, channel := range stressChannels {
		for _, name := range c.interest {
			if todoke.MatchPattern(name, channel) && c.seen[channel] < c.s.counts[channel] {
				return false
			}
		}
	}
	return true
}

func (c *stressClient) run(t *testing.T) {
	transport := &http.Transport{DisableKeepAlives: true, ReadBufferSize: 256 << c.r.IntN(8)}
	defer transport.CloseIdleConnections()
	for deadline := time.Now().Add(stressFor(t) + 40*time.Second); !c.done(); {
		if time.Now().After(deadline) {
			t.Errorf("a client of %v came to %s: %v of %v", c.interest, c.lastID, c.seen, c.s.counts)
			return
		}
		if !c.connect(t, transport) {
			return
		}
	}
}

// connect reads one stream until it is cut. False: the test has failed.
func (c *stressClient) connect(t *testing.T, transport *http.Transport) bool {
	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.s.server.URL+"/?format=raw&channel="+strings.Join(c.interest, "&channel="), nil)
	if err != nil {
		t.Error(err)
		return false
	}
	req.Header.Set("Last-Event-ID", c.lastID)
	res, err := transport.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Error(err)
		return false
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	life := c.r.IntN(300) // lines
	if c.r.IntN(4) == 0 {
		life *= 20
	}
	id, event, data := "", "", ""
	for n := 0; n < life && !c.done(); n++ {
		if c.r.IntN(500) == 0 { // it has other things to do
			select {
			case <-time.After(time.Duration(c.r.IntN(30)) * time.Millisecond):
			case <-ctx.Done():
			}
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Errorf("a client of %v is cut after %d lines: %v", c.interest, n, err)
			return false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if line == "\n" && id+event != "" {
				if !c.take(t, id, event, data) {
					return false
				}
				id, event, data = "", "", ""
			}
		}
	}
	c.cuts++
	return true
}

// take checks one event.
func (c *stressClient) take(t *testing.T, id, event, data string) bool {
	if id == "" || event == EventGap || event == EventError {
		t.Errorf("a client of %v at %s: %s %.200s", c.interest, c.lastID, event, data)
		return false
	}
	p, err := todoke.ParsePosition(id)
	if err != nil || uint64(p.Offset) < c.at.Load() || event == "" && uint64(p.Offset) == c.at.Load() {
		t.Errorf("a client of %v: %s comes after %s, %v", c.interest, id, c.lastID, err)
		return false
	}
	c.lastID = id
	c.at.Store(uint64(p.Offset))
	if event != "" {
		return true
	}
	words := strings.SplitN(data, " ", 3)
	if c.seen[words[0]]++; len(words) != 3 || words[1] != strconv.Itoa(c.seen[words[0]]) {
		t.Errorf("a client of %v: %.40q came as number %d", c.interest, data, c.seen[words[0]])
		return false
	}
	return true
}
