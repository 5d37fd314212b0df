package nats_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// The benchmarks compare the engine with a bare loop on nats.go that has the same durability, in turns within one run:
//
//	go test -run '^$' -bench . -benchtime 1x ./engine/nats
//
// Each turn takes a second or less, whatever -benchtime says of the number of turns.

const (
	turn      = 500 * time.Millisecond
	turns     = 2
	benchSize = 200
)

// A bench is an engine and a bare stream of the same settings on the same servers.
type bench struct {
	e  *nats.Engine
	nc *natsgo.Conn
	js jetstream.JetStream
}

func newBench(b *testing.B, n int) *bench {
	servers := startServers(b, n)
	e := opened(b, nats.Options{URL: servers.url(), Prefix: "engine", Replicas: n})
	js := servers.connect(b)
	s, err := js.Stream(within(b), "engine")
	if err != nil {
		b.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.Name, c.Subjects, c.Metadata = "bare", []string{"bare.c.>"}, nil
	if _, err := js.CreateStream(within(b), c); err != nil {
		b.Fatal(err)
	}
	return &bench{e, js.Conn(), js}
}

// rate runs publishers for a turn; each call of one publishes n messages.
func rate(b *testing.B, publishers, n int, one func(publisher, i int) error) float64 {
	b.Helper()
	var count atomic.Int64
	var running sync.WaitGroup
	began := time.Now()
	for p := range publishers {
		running.Go(func() {
			for i := 0; time.Since(began) < turn; i++ {
				if err := one(p, i); err != nil {
					b.Error(err)
					return
				}
				count.Add(int64(n))
			}
		})
	}
	running.Wait()
	return float64(count.Load()) / time.Since(began).Seconds()
}

// compare takes turns and reports both rates and their ratio.
func compare(b *testing.B, publishers, n int, bare, engine func(publisher, i int) error) {
	for b.Loop() {
		var bares, engines float64
		for range turns {
			bares += rate(b, publishers, n, bare) / turns
			engines += rate(b, publishers, n, engine) / turns
		}
		b.ReportMetric(bares, "bare/s")
		b.ReportMetric(engines, "engine/s")
		b.ReportMetric(100*engines/bares, "%")
		b.ReportMetric(0, "ns/op") // the turns' length, which says nothing
	}
}

func channel(p, i int) string { return fmt.Sprintf("room:%d", (p*31+i)%100) }

func BenchmarkPublish(b *testing.B) {
	data := make([]byte, benchSize)
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprintf("servers=%d", n), func(b *testing.B) {
			x := newBench(b, n)
			ctx := context.Background()
			bareOne := func(p, i int) error {
				_, err := x.js.Publish(ctx, fmt.Sprintf("bare.c.room.%d", (p*31+i)%100), data)
				return err
			}
			engineOne := func(p, i int) error {
				_, err := publish(ctx, x.e, todoke.Message{Channel: channel(p, i), Data: data})
				return err
			}
			batch := func(p, i int) []todoke.Message {
				messages := make([]todoke.Message, 100)
				for j := range messages {
					messages[j] = todoke.Message{Channel: channel(p, i+j), Data: data}
				}
				return messages
			}
			engineBatch := func(p, i int) error {
				_, err := publish(ctx, x.e, batch(p, i)...)
				return err
			}
			b.Run("one", func(b *testing.B) { compare(b, 1, 1, bareOne, engineOne) })
			b.Run("publishers=64", func(b *testing.B) { compare(b, 64, 1, bareOne, engineOne) })
			b.Run("batch=100", func(b *testing.B) { compare(b, 1, 100, x.bareBatch(data), engineBatch) })
			b.Run("batch=100/publishers=8", func(b *testing.B) { compare(b, 8, 100, x.bareBatch(data), engineBatch) })
			// What atomicity costs: the bare loop here may leave a part of its hundred behind.
			b.Run("batch=100/bare=asynchronous", func(b *testing.B) { compare(b, 1, 100, x.bareAsync(data), engineBatch) })
		})
	}
}

// bareBatch is an atomic batch of a hundred.
func (x *bench) bareBatch(data []byte) func(p, i int) error {
	return func(p, i int) error {
		id := nuid.Next()
		for j := range 100 {
			m := &natsgo.Msg{Subject: fmt.Sprintf("bare.c.room.%d", (p*31+i+j)%100), Data: data, Header: natsgo.Header{
				"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(j + 1)}}}
			if j < 99 {
				if err := x.nc.PublishMsg(m); err != nil {
					return err
				}
				continue
			}
			m.Header.Set("Nats-Batch-Commit", "1")
			answer, err := x.nc.RequestMsg(m, patience)
			if err != nil {
				return err
			}
			if len(answer.Data) == 0 || answer.Data[0] != '{' {
				return fmt.Errorf("answer %q", answer.Data)
			}
		}
		return nil
	}
}

// bareAsync is a hundred publishes under way at once.
func (x *bench) bareAsync(data []byte) func(p, i int) error {
	return func(p, i int) error {
		var acks [100]jetstream.PubAckFuture
		for j := range acks {
			f, err := x.js.PublishAsync(fmt.Sprintf("bare.c.room.%d", (p*31+i+j)%100), data)
			if err != nil {
				return err
			}
			acks[j] = f
		}
		for _, f := range acks {
			select {
			case <-f.Ok():
			case err := <-f.Err():
				return err
			}
		}
		return nil
	}
}

// counter is a sink that counts.
type counter struct {
	n    atomic.Int64
	head atomic.Uint64
}

func (c *counter) Epoch(string, todoke.Offset)   {}
func (c *counter) Apply(batch []*todoke.Message) { c.n.Add(int64(len(batch))) }
func (c *counter) Advance(head todoke.Offset)    { c.head.Store(uint64(head)) }
func (c *counter) Hole(from, to todoke.Offset)   {}

// BenchmarkCatchUp reads a log from its beginning by Tail, and a channel by Read; and restarts its server.
func BenchmarkCatchUp(b *testing.B) {
	const messages = 300_000
	servers := startServers(b, 1)
	o := nats.Options{URL: servers.url(), Prefix: "log", Logger: quiet()}
	e := opened(b, o)
	js := servers.connect(b)
	data := make([]byte, benchSize)
	for i := range messages {
		if _, err := js.PublishAsync(fmt.Sprintf("log.c.room.%d", i%1000), data); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	epoch := head(b, e).Epoch
	for b.Loop() {
		began := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		c, done := &counter{}, make(chan struct{})
		go func() { defer close(done); _ = e.Tail(ctx, todoke.Position{Epoch: epoch}, c) }()
		eventually(b, "the tail has all", func() bool { return c.n.Load() == messages })
		b.ReportMetric(messages/time.Since(began).Seconds(), "tailed/s")
		cancel()
		<-done

		began = time.Now()
		for i := range 1000 {
			p, err := e.Read(within(b), todoke.Range{Channel: fmt.Sprintf("room:%d", i), UpTo: messages / 2, Limit: 1000})
			if err != nil || len(p.Messages) == 0 {
				b.Fatal(len(p.Messages), err)
			}
		}
		b.ReportMetric(time.Since(began).Seconds()*1e3, "µs/first-read") // of a thousand

		servers.kill(b)
		began = time.Now()
		servers.start(b)
		again := opened(b, o)
		b.ReportMetric(time.Since(began).Seconds()*1e3, "ms-recovery") // of the server, and of an engine that opens
		if head(b, again).Offset < messages {
			b.Fatal(head(b, again))
		}
		b.ReportMetric(0, "ns/op")
	}
}
