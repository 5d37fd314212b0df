package websocket_test

import (
	"context"
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

// BenchmarkIdle prints what an idle connection holds in this process, the client's half (a bare socket and a bufio.Reader) included.
func BenchmarkIdle(b *testing.B) {
	for _, links := range []kind{goroutines, pooled} {
		for _, path := range []string{"/stream?channel=news", "/session"} {
			b.Run(string(links)+"/"+strings.Trim(path[:8], "/?"), func(b *testing.B) { idle(b, benchSite(b, links), path) })
		}
	}
}

func idle(b *testing.B, s *site, path string) {
	b.Helper()
	const connections = 500
	for b.Loop() {
		before := inUse()
		peers := make([]*rawPeer, connections)
		for i := range peers {
			peers[i] = s.raw(path)
			peers[i].r = nil
		}
		b.ReportMetric(float64(inUse()-before)/connections, "B/connection")
		for _, p := range peers {
			_ = p.conn.Close()
		}
		s.awaitHandlers()
	}
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func benchSite(b *testing.B, links kind) *site {
	b.Helper()
	return newSite(b, links, todoke.Options{}, websocket.Options{})
}
