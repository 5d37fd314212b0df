//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/redis"
)

// The benchmarks run one server with appendonly and appendfsync everysec, and once with always. Those of publishing go against
// bare loops of XADD on the same server in the same run, by turns, by the same client: one XADD a message into its channel's
// stream; and (feed) a second one into a stream for all, which is what it takes without an engine for others to hear of it.
// xadd% is our rate in parts of the first loop's, feed% of the second's. cpu% compares what Redis' processor time of a
// message is with feed's, less is better: on a busy machine it is the steadier figure.

var benchData = make([]byte, 200)

// A turn of a measurement, and how many turns there are of each.
const (
	benchTurn  = 100 * time.Millisecond
	benchTurns = 6
)

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
		for _, c := range []load{
			{"one", 1, 1, 1}, {"64publishers_1channel", 64, 1, 1}, {"64publishers_100channels", 64, 1, 100},
			{"batch100_1channel", 1, 100, 1}, {"batch100_10channels", 1, 100, 10}, {"batch100_100channels", 1, 100, 100},
		} {
			b.Run(fsync+"/"+c.name, func(b *testing.B) {
				for range b.N {
					c.compare(b, s, map[string]func(publisher, i int) error{
						"ours": func(p, i int) error { return c.publish(b.Context(), e, p, i) },
						"xadd": func(p, i int) error { return c.add(b.Context(), bare, p, i, false) },
						"feed": func(p, i int) error { return c.add(b.Context(), bare, p, i, true) },
					})
				}
			})
		}
		bare.Close()
		s.kill()
	}
}

// A load is how a benchmark publishes.
type load struct {
	name                        string
	publishers, batch, channels int
}

// compare runs ways to publish by turns and reports their rates.
func (l load) compare(b *testing.B, s *server, ways map[string]func(publisher, i int) error) {
	rates, cpu := map[string]float64{}, map[string]float64{}
	for range benchTurns {
		for name, publish := range ways {
			before := s.processorTime()
			sent, took := l.rate(b, publish)
			rates[name] += sent / took.Seconds() / benchTurns
			cpu[name] += (s.processorTime() - before) / sent
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rates["ours"], "msgs/s")
	b.ReportMetric(rates["xadd"], "xadd/s")
	b.ReportMetric(100*rates["ours"]/rates["xadd"], "xadd%")
	b.ReportMetric(100*rates["ours"]/rates["feed"], "feed%")
	b.ReportMetric(100*cpu["ours"]/cpu["feed"], "cpu%")
}

// processorTime is what the server has used, in seconds.
func (s *server) processorTime() (sum float64) {
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		n, err := strconv.ParseFloat(s.says(name), 64)
		if err != nil {
			s.t.Fatal(err)
		}
		sum += n
	}
	return sum
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

// rate counts what publishers get through in a turn, each calling again and again.
func (l load) rate(b *testing.B, publish func(publisher, i int) error) (sent float64, took time.Duration) {
	b.Helper()
	var count atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for p := range l.publishers {
		wg.Go(func() {
			for i := 0; time.Since(begin) < benchTurn; i++ {
				if err := publish(p, i); err != nil {
					b.Error(err)
					return
				}
				count.Add(int64(l.batch))
			}
		})
	}
	wg.Wait()
	return float64(count.Load()), time.Since(begin)
}

func (l load) publish(ctx context.Context, e *redis.Engine, p, i int) error {
	messages := make([]*todoke.Message, l.batch)
	for j := range messages {
		messages[j] = &todoke.Message{Channel: l.channel(p, i, j), Type: todoke.TypeText, Data: benchData}
	}
	return e.Publish(ctx, messages, make([]todoke.Result, l.batch))
}

func (l load) add(ctx context.Context, c rueidis.Client, p, i int, feed bool) error {
	data := rueidis.BinaryString(benchData)
	add := func(key string) rueidis.Completed {
		return c.B().Xadd().Key(key).Maxlen().Almost().Threshold("10000").Id("*").FieldValue().FieldValue("m", data).Build()
	}
	commands := make([]rueidis.Completed, 0, 2*l.batch)
	for j := range l.batch {
		commands = append(commands, add("bare:"+l.channel(p, i, j)))
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

func (l load) channel(p, i, j int) string { return fmt.Sprintf("bench:%d", (7*p+13*i+j)%l.channels) }

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
			m := &todoke.Message{Channel: fmt.Sprintf("bench:%d", i%100), Type: todoke.TypeText, Data: fmt.Appendf(nil, "%d", i)}
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
