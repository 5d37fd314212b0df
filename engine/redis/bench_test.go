package redis_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/redis"
)

// The benchmarks run one server with appendonly and appendfsync everysec, and once with always. Those of publishing go against
// a bare loop of XADD on the same server in the same run, by the same client: one XADD a message into its channel's stream, and
// (feed) a second one into a stream for all, which is what it takes without an engine for others to hear of it.

var benchChannels = 100

var benchData = make([]byte, 200)

// benchFor is how long one measurement takes.
const benchFor = 700 * time.Millisecond

func BenchmarkPublish(b *testing.B) {
	for _, fsync := range []string{"everysec", "always"} {
		s := start(b, "--appendonly", "yes", "--appendfsync", fsync)
		option, err := rueidis.ParseURL("unix://" + s.socket())
		if err != nil {
			b.Fatal(err)
		}
		option.ForceSingleClient, option.DisableCache, option.DisableRetry = true, true, true
		bare, err := rueidis.NewClient(option)
		if err != nil {
			b.Fatal(err)
		}
		e := opened(b, s, prefix())
		for _, c := range []struct {
			name              string
			publishers, batch int
		}{{"one", 1, 1}, {"64publishers", 64, 1}, {"batch100", 1, 100}, {"4publishers_batch100", 4, 100}} {
			b.Run(fsync+"/"+c.name, func(b *testing.B) {
				var ours, xadd, feed float64
				for range b.N {
					ours += rate(b, c.publishers, c.batch, func(p, i int) error { return publishSome(b.Context(), e, p, i, c.batch) })
					xadd += rate(b, c.publishers, c.batch, func(p, i int) error { return addSome(b.Context(), bare, p, i, c.batch, false) })
					feed += rate(b, c.publishers, c.batch, func(p, i int) error { return addSome(b.Context(), bare, p, i, c.batch, true) })
				}
				n := float64(b.N)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(ours/n, "msgs/s")
				b.ReportMetric(xadd/n, "xadd/s")
				b.ReportMetric(100*ours/xadd, "%ofXADD")
				b.ReportMetric(100*ours/feed, "%ofXADD+feed")
			})
		}
		bare.Close()
		s.kill()
	}
}

// opened returns an engine that is open and closed with the benchmark.
func opened(t testing.TB, s *server, prefix string) *redis.Engine {
	t.Helper()
	e := s.engine(prefix)
	if err := e.Open(context.Background(), func(string) *todoke.Retention { return &todoke.Retention{} }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// rate is how many messages a second publishers get through, each calling again and again.
func rate(b *testing.B, publishers, batch int, publish func(publisher, i int) error) float64 {
	b.Helper()
	var sent atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for p := range publishers {
		wg.Go(func() {
			for i := 0; time.Since(begin) < benchFor; i++ {
				if err := publish(p, i); err != nil {
					b.Error(err)
					return
				}
				sent.Add(int64(batch))
			}
		})
	}
	wg.Wait()
	return float64(sent.Load()) / time.Since(begin).Seconds()
}

func publishSome(ctx context.Context, e *redis.Engine, p, i, n int) error {
	messages := make([]*todoke.Message, n)
	for j := range messages {
		messages[j] = &todoke.Message{Channel: benchChannel(p, i, j), Type: todoke.TypeText, Data: benchData}
	}
	return e.Publish(ctx, messages, make([]todoke.Result, n))
}

func addSome(ctx context.Context, c rueidis.Client, p, i, n int, feed bool) error {
	data := rueidis.BinaryString(benchData)
	add := func(key string) rueidis.Completed {
		return c.B().Xadd().Key(key).Maxlen().Almost().Threshold("10000").Id("*").FieldValue().FieldValue("m", data).Build()
	}
	commands := make([]rueidis.Completed, 0, 2*n)
	for j := range n {
		commands = append(commands, add("bare:"+benchChannel(p, i, j)))
		if feed {
			commands = append(commands, add("bare"))
		}
	}
	for _, r := range c.DoMulti(ctx, commands...) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

func benchChannel(p, i, j int) string { return fmt.Sprintf("bench:%d", (7*p+13*i+j)%benchChannels) }

// BenchmarkCatchUp reads a channel of 10,000 messages page by page, as a reader who comes back does.
func BenchmarkCatchUp(b *testing.B) {
	s := start(b, "--appendonly", "yes", "--appendfsync", "everysec")
	e := opened(b, s, prefix())
	for i := range 100 {
		batch := make([]*todoke.Message, 100)
		for j := range batch {
			batch[j] = &todoke.Message{Channel: "a", Type: todoke.TypeText, Data: fmt.Appendf(nil, "%200d", 100*i+j)}
		}
		if err := e.Publish(b.Context(), batch, make([]todoke.Result, len(batch))); err != nil {
			b.Fatal(err)
		}
	}
	for _, limit := range []int{256, 2048} {
		b.Run(fmt.Sprintf("page%d", limit), func(b *testing.B) {
			read := 0
			for b.Loop() {
				for r := (todoke.Range{Channel: "a", UpTo: 10_000, Limit: limit}); ; {
					page, err := e.Read(b.Context(), r)
					if err != nil {
						b.Fatal(err)
					}
					read += len(page.Messages)
					if !page.More {
						break
					}
					r.After = page.Messages[len(page.Messages)-1].Position.Offset
				}
			}
			b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
	b.Run("tail", func(b *testing.B) {
		read := 0
		for b.Loop() {
			ctx, cancel := context.WithCancel(b.Context())
			head, err := e.Head(ctx)
			if err != nil {
				b.Fatal(err)
			}
			sink := &counter{until: head.Offset, done: cancel}
			if err := e.Tail(ctx, todoke.Position{Epoch: head.Epoch}, sink); ctx.Err() == nil {
				b.Fatal(err)
			}
			read += sink.n
		}
		b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "msgs/s")
	})
}

// A counter is a sink that counts, and tells when it has come to an offset.
type counter struct {
	until todoke.Offset
	done  func()
	n     int
	times func(*todoke.Message)
}

func (c *counter) Epoch(string, todoke.Offset) {}
func (c *counter) Apply(batch []*todoke.Message) {
	c.n += len(batch)
	if c.times != nil {
		for _, m := range batch {
			c.times(m)
		}
	}
}

func (c *counter) Advance(head todoke.Offset) {
	if c.done != nil && head >= c.until {
		c.done()
	}
}
func (c *counter) Hole(_, _ todoke.Offset) {}

// BenchmarkDeliver measures from the call of Publish on one node to Apply on another, at about 2,000 messages a second.
func BenchmarkDeliver(b *testing.B) {
	s := start(b, "--appendonly", "yes", "--appendfsync", "everysec")
	name := prefix()
	e, other := opened(b, s, name), opened(b, s, name)
	const total = 2000
	var all []time.Duration
	for range b.N {
		begin := time.Now()
		delivered := make(chan struct{})
		sent := make([]time.Duration, total)
		var took []time.Duration
		var published sync.Mutex
		sink := &counter{times: func(m *todoke.Message) {
			var i int
			fmt.Sscan(string(m.Data), &i)
			published.Lock()
			took = append(took, time.Since(begin)-sent[i])
			if len(took) == total {
				close(delivered)
			}
			published.Unlock()
		}}
		ctx, cancel := context.WithCancel(b.Context())
		tailing := make(chan struct{})
		sink.done = sync.OnceFunc(func() { close(tailing) })
		var wg sync.WaitGroup
		wg.Go(func() { _ = other.Tail(ctx, todoke.Position{}, sink) })
		<-tailing
		tick := time.NewTicker(500 * time.Microsecond)
		for i := range total {
			<-tick.C
			published.Lock()
			sent[i] = time.Since(begin)
			published.Unlock()
			m := &todoke.Message{Channel: benchChannel(0, i, 0), Type: todoke.TypeText, Data: fmt.Appendf(nil, "%d", i)}
			if err := e.Publish(ctx, []*todoke.Message{m}, make([]todoke.Result, 1)); err != nil {
				b.Fatal(err)
			}
		}
		tick.Stop()
		<-delivered
		cancel()
		wg.Wait()
		all = append(all, took...)
	}
	slices.Sort(all)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}
