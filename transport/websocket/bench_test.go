package websocket_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket"
)

// BenchmarkBacklog reads a backlog of 128-byte messages through a stream, over loopback, client included.
func BenchmarkBacklog(b *testing.B) {
	for _, links := range []kind{goroutines, pooled} {
		b.Run(string(links), func(b *testing.B) { backlog(b, benchSite(b, links)) })
	}
}

func backlog(b *testing.B, s *site) {
	b.Helper()
	data := make([]byte, 128)
	for i := range data {
		data[i] = 'x'
	}
	for range 10_000 {
		_, _ = s.hub.Publish(context.Background(), todoke.Message{Channel: "news", Data: data})
	}
	b.ReportAllocs()
	for b.Loop() {
		p := s.raw("/stream?channel=news&since=earliest")
		for range 10_001 {
			if _, err := p.readFrame(); err != nil {
				b.Fatal(err)
			}
		}
		_ = p.conn.Close()
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkIdle prints what an idle connection holds in this process, the client's half (a bare socket) included; of links in a pool also
// what is free when the pool has cut them, which is the server's half.
func BenchmarkIdle(b *testing.B) {
	for _, links := range []kind{goroutines, pooled} {
		for _, path := range []string{"/stream?channel=news", "/session"} {
			b.Run(string(links)+"/"+strings.Trim(path[:8], "/?"), func(b *testing.B) {
				for b.Loop() {
					idle(b, links, path)
				}
			})
		}
	}
}

func idle(b *testing.B, links kind, path string) {
	b.Helper()
	const connections = 1000
	s := benchSite(b, links)
	before := inUse()
	peers := make([]*rawPeer, connections)
	for i := range peers {
		peers[i] = s.raw(path)
		peers[i].r = nil
	}
	all := inUse()
	b.ReportMetric(float64(all-before)/connections, "B/connection")
	if links == pooled {
		s.pool.Close()
		b.ReportMetric(float64(all-inUse())/connections, "server-B/connection")
	}
	for _, p := range peers {
		_ = p.conn.Close()
	}
	s.awaitHandlers()
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func benchSite(b *testing.B, links kind) *site {
	b.Helper()
	return newSite(b, links, todoke.Options{}, websocket.Options{})
}

// BenchmarkSessionPublish publishes messages over a session, in frames of one and of a hundred, the client's half included: it writes
// frames that were made before, and skips the answers.
func BenchmarkSessionPublish(b *testing.B) {
	message := `{"channel":"room:42","data":{"text":"hello, world, this is a message of some 100 bytes","n":12345,"ok":true}}`
	many := `{"id":1,"publish":{"messages":[` + strings.Repeat(message+",", 99) + message + `]}}`
	for _, c := range []struct {
		name, frame string
		messages    int
	}{
		{"one", `{"id":1,"publish":` + message + `}`, 1}, {"hundred", many, 100},
	} {
		for _, links := range []kind{goroutines, pooled} {
			b.Run(c.name+"/"+string(links), func(b *testing.B) { publishes(b, benchSite(b, links), c.frame, c.messages) })
		}
	}
}

// publishes sends batches of a thousand messages.
func publishes(b *testing.B, s *site, text string, messages int) {
	b.Helper()
	p := s.raw("/session")
	frames := 1000 / messages
	batch := []byte(strings.Repeat(string(masked(fin|opText, text)), frames))
	b.ReportAllocs()
	for b.Loop() {
		go p.write(batch)
		for range frames {
			if err := p.skipFrame(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/message")
}

func (p *rawPeer) skipFrame() error {
	head, err := p.r.Peek(4)
	if err != nil {
		return err
	}
	size := 2 + int(head[1])
	switch head[1] {
	case 126:
		size = 4 + int(binary.BigEndian.Uint16(head[2:]))
	case 127:
		return errors.New("a longer answer than was expected")
	}
	_, err = p.r.Discard(size)
	return err
}
