package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

var transports = []client.Transport{
	client.TransportPoll, client.TransportLongPoll, client.TransportSSE, client.TransportWebSocket, client.TransportSession,
}

// channels are what is published to; a reader follows one, two, or a pattern over all.
var channels = []string{"soak:a", "soak:b", "soak:c", "soak:d"}

var interests = [][]string{{"soak:a"}, {"soak:b", "soak:c"}, {"soak:*"}, {"soak:d", "soak:a"}}

// A stage is a server, reached through connections that can be cut.
type stage struct {
	hub    *todoke.Hub
	server *http.Server
	url    string
	cutter *cutter
	served sync.WaitGroup
}

func newStage() (*stage, error) {
	hub, err := todoke.New(todoke.Options{
		Authorizer: todoke.AllowAll,
		Namespace:  todoke.Namespace{Retention: todoke.Retention{Messages: 200_000, Bytes: -1}},
		Logger:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &stage{hub: hub, url: "http://" + listener.Addr().String(), cutter: &cutter{Listener: listener, open: map[net.Conn]struct{}{}}}
	s.server = &http.Server{Handler: httpapi.New(hub, httpapi.Options{}), ReadHeaderTimeout: 10 * time.Second}
	s.served.Go(func() { s.server.Serve(s.cutter) })
	return s, nil
}

func (s *stage) close() {
	s.hub.Close()
	s.server.Close()
	s.served.Wait()
}

// A cutter is a listener that can end any of its connections, as a network does.
type cutter struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

type cuttable struct {
	net.Conn
	c *cutter
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wrapped := &cuttable{conn, c}
	c.mu.Lock()
	c.open[wrapped] = struct{}{}
	c.mu.Unlock()
	return wrapped, nil
}

func (c *cuttable) Close() error {
	c.c.mu.Lock()
	delete(c.c.open, c)
	c.c.mu.Unlock()
	return c.Conn.Close()
}

// cutOne ends some connection with a reset.
func (c *cutter) cutOne() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open { // a map's order is random enough
		if tcp, ok := conn.(*cuttable).Conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
			tcp.Close()
			return true
		}
	}
	return false
}

// A result counts what happened. It is written by many goroutines.
type result struct {
	published, delivered, cuts, hops, lost, duplicated, reordered, gaps, errors int64
}

// play publishes until ctx ends, and returns when every reader has everything.
func (s *stage) play(ctx context.Context, readers, rate int, seed uint64) *result {
	total := new(result)
	var last [4]atomic.Int64 // the newest number of each channel
	stop := make(chan struct{})
	var running, publishing sync.WaitGroup
	start := s.hub.Head()
	for i := range readers * len(transports) {
		running.Go(func() {
			r := reader{
				stage: s, total: total, random: rand.New(rand.NewPCG(seed, uint64(i))), transport: transports[i%len(transports)],
				interest: interests[i/len(transports)%len(interests)], at: start, seen: map[string]int64{}, last: &last, stop: stop,
			}
			r.run()
		})
	}
	publishing.Go(func() { s.publish(ctx, rate, seed, &last, total) })
	publishing.Go(func() { s.cut(ctx, seed, total) })
	publishing.Wait()
	close(stop)
	running.Wait()
	http.DefaultClient.CloseIdleConnections()
	return total
}

func (s *stage) publish(ctx context.Context, rate int, seed uint64, last *[4]atomic.Int64, total *result) {
	r := rand.New(rand.NewPCG(seed, 1<<40))
	ticker := time.NewTicker(time.Second / time.Duration(max(rate, 1)))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		c := r.IntN(len(channels))
		data := fmt.Appendf(nil, "%d %0*d", last[c].Load()+1, 1+r.IntN(200), 0)
		if _, err := s.hub.Publish(context.Background(), todoke.Message{Channel: channels[c], Data: data}); err != nil {
			atomic.AddInt64(&total.errors, 1)
			continue
		}
		last[c].Add(1)
		atomic.AddInt64(&total.published, 1)
	}
}

func (s *stage) cut(ctx context.Context, seed uint64, total *result) {
	r := rand.New(rand.NewPCG(seed, 1<<41))
	for {
		select {
		case <-time.After(time.Duration(r.IntN(50)) * time.Millisecond):
		case <-ctx.Done():
			return
		}
		if s.cutter.cutOne() {
			atomic.AddInt64(&total.cuts, 1)
		}
	}
}

// number reads the number at the beginning of a message.
func number(m *todoke.Message) int64 {
	var digits []byte
	for _, c := range m.Data {
		if c < '0' || c > '9' {
			break
		}
		digits = append(digits, c)
	}
	n, _ := strconv.ParseInt(string(digits), 10, 64)
	return n
}
