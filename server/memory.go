package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// tidyEvery is how often the server looks whether a burst of connections is over.
	tidyEvery = 2 * time.Second
	// tidyRest is the least time between two collections that it asks for.
	tidyRest = 30 * time.Second
	// burst is how many new streams are one.
	burst = 1000
	// handshakeBytes is about what the handshake of one leaves behind for the collector.
	handshakeBytes = 16 << 10
)

// tidyMemory gives back to the system what the handshakes of many streams have left, when they are over: an idle server allocates
// nothing, so the collector would not run for minutes, and the garbage is several times what the streams themselves need. A heap that is
// large for other reasons is left alone, for collecting it costs more than it brings.
func (s *Server) tidyMemory(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	var collected, before uint64
	var last time.Time
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := s.pool.Attached()
		quiet := now-before < burst/10
		before = now
		fresh := now - collected
		if fresh < burst || !quiet || time.Since(last) < tidyRest {
			continue
		}
		collected, last = now, time.Now()
		if liveHeap() < 4*fresh*handshakeBytes {
			debug.FreeOSMemory()
		}
	}
}

// liveHeap is how many bytes the last collection left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
