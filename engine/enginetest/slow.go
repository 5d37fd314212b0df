package enginetest

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var slowScenarios = []scenario{
	{name: "a sink that blocks holds back or gets holes, in bounded memory", run: blockedSink},
	{name: "a sink that is slow misses nothing silently", run: slowSink},
	{name: "a sink that blocks does not keep another from catching up", run: blockedBesideFast},
}

// flood publishes total messages of size bytes in batches of 10 on two channels and returns what was
// acknowledged. count goes along.
func (f *fixture) flood(total, size int, count *atomic.Int64) []*todoke.Message {
	var log []*todoke.Message
	for i := 0; i < total; i += 10 {
		batch := make([]*todoke.Message, 10)
		for j := range batch {
			batch[j] = text([]string{"r:a", "r:b"}[j%2], "")
			batch[j].Data = bytes.Repeat([]byte{byte('a' + (i+j)%26)}, size)
		}
		results, err := try(f.ctx, f.e, batch...)
		if err != nil {
			f.t.Errorf("Publish: %v", err)
			return log
		}
		for j, r := range results {
			m := published(text(batch[j].Channel, ""), r)
			m.Data = batch[j].Data[:1] // its own letter; the rest need not be held
			m.Data = bytes.Clone(m.Data)
			log = append(log, m)
		}
		count.Add(10)
	}
	return log
}

// blocked starts a tail whose sink blocks in Apply until release.
func (f *fixture) blocked() (tl *tail, release func()) {
	f.t.Helper()
	gate := make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	tl = f.tailInto(todoke.Position{}, &recorder{hold: func() { <-gate }})
	f.t.Cleanup(release)
	return tl, release
}

// settled waits until count has come to total, or stays where it is because publishers are held back.
func settled(t *testing.T, count *atomic.Int64, total int) {
	t.Helper()
	last, since := int64(-1), time.Now()
	eventuallyIn(t, 4*patience, "publishers end or are held back", func() bool { // it is much that a store on disk has to take
		if n := count.Load(); n != last {
			last, since = n, time.Now()
		}
		return last >= int64(total) || time.Since(since) > 400*time.Millisecond
	})
}

func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // a second one empties what a sync.Pool holds for reuse: nothing is queued there
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

func blockedSink(t *testing.T, h Harness) {
	const total, size, bound = 20_000, 4 << 10, 32 << 20 // 80 MB go through
	f := open(t, h, rules{"r": {Messages: 10, Bytes: -1, Age: -1}})
	tl, release := f.blocked()
	before := heap()
	var count atomic.Int64
	done := make(chan []*todoke.Message, 1)
	go func() { done <- f.flood(total, size, &count) }()
	settled(t, &count, total)
	published := count.Load()
	grown := int64(heap()) - int64(before)
	if grown > bound+h.StoreHeap {
		t.Errorf("%d messages (%d MB) were published while the sink was blocked, and the heap grew by %d MB: something is queued without bound",
			published, published*size>>20, grown>>20)
	}
	t.Logf("%d of %d messages were published while the sink was blocked; the heap grew by %d MB", published, total, grown>>20)
	release()
	log := <-done
	tl.told(log)
}

// told waits until the tail has told of all of log, whose data are cut to one byte, and compares.
func (tl *tail) told(log []*todoke.Message) {
	tl.t.Helper()
	tl.catchUp(log)
	tl.mu.Lock()
	for i, m := range tl.messages {
		c := *m
		if len(c.Data) > 0 {
			c.Data = c.Data[:1]
		}
		tl.messages[i] = &c
	}
	tl.mu.Unlock()
	tl.covers(log)
}

func slowSink(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 5, Bytes: -1, Age: -1}})
	tl := f.tailInto(todoke.Position{}, &recorder{hold: func() { pass(time.Millisecond) }})
	var count atomic.Int64
	log := f.flood(2_000, 10, &count)
	tl.told(log)
}

func blockedBesideFast(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 50, Bytes: -1, Age: -1}})
	slow, release := f.blocked()
	fast := f.tail(todoke.Position{})
	var count atomic.Int64
	done := make(chan []*todoke.Message, 1)
	go func() { done <- f.flood(2_000, 10, &count) }()
	settled(t, &count, 2_000) // what slow does to the others meanwhile is the engine's choice
	release()
	log := <-done
	fast.told(log)
	slow.told(log)
}
