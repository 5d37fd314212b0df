package load

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"time"

	"github.com/todoke-dev/todoke/internal/load/proc"
)

// Run carries out one scenario. An error means that it could not be carried out, and then there is no result; what the
// server did wrong stands in the result.
func Run(ctx context.Context, config Config) (*Result, error) {
	c, err := config.WithDefaults()
	if err != nil {
		return nil, err
	}
	// The loop waits in the kernel most of the time and holds up nobody; on a thread of its own it is not moved about.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e, err := newEngine(c)
	if err != nil {
		return nil, err
	}
	defer e.close()
	e.findServer()
	play, ok := plays[c.Scenario]
	if !ok {
		return nil, fmt.Errorf("%w: scenario %q", ErrConfig, c.Scenario)
	}
	r := e.newResult()
	if err := play(ctx, e, r); err != nil {
		return nil, fmt.Errorf("%s, %s: %w", c.Scenario, c.Adapter, err)
	}
	return r, nil
}

// findServer looks for the process that listens on this machine. Without it a run has no figures of the server.
func (e *engine) findServer() {
	if len(e.config.PIDs) > 0 || !e.dialer.loopback {
		return
	}
	port, _ := strconv.Atoi(fmt.Sprint(e.dialer.addr.Port()))
	if pid, err := proc.Listener(port); err == nil {
		e.config.PIDs = []int{pid}
	}
}

func (e *engine) newResult() *Result {
	c := e.config
	r := &Result{
		Scenario: c.Scenario, Adapter: c.Adapter, URL: c.URL, Time: time.Now().UTC().Format(time.RFC3339), Readers: c.Readers, Channels: c.Channels,
		Publishers: c.Publishers, Depth: c.Depth, InFlight: c.Publishers * c.Depth, Rate: c.Rate, Size: c.Size,
	}
	if c.Other != c.Adapter {
		r.Other = c.Other
	}
	return r
}

// A window is what is measured between two moments.
type window struct {
	start  int64
	server proc.Usage
	own    time.Duration
	known  bool
}

// beginWindow forgets what was counted before.
func (e *engine) beginWindow() (w window) {
	e.begin()
	w.server, w.known = e.usage()
	w.own, w.start = ownCPU(), e.now()
	return w
}

// endWindow writes what was counted into r.
func (e *engine) endWindow(w window, r *Result) {
	r.Seconds = seconds(e.now() - w.start)
	t := &e.total
	r.Published, r.Deliveries, r.Bytes = t.published, t.deliveries, t.bytes
	r.Latency, r.Ack = latencyOf(e.latency), latencyOf(e.ack)
	r.ClientCPU = (ownCPU() - w.own).Seconds()
	if after, ok := e.usage(); ok && w.known {
		r.Server = serverOf(e.config.PIDs, w.server, after, r.Deliveries, r.Published)
	}
	e.settleAccounts(r)
}

// settleAccounts counts what is wrong since the run began, so what never came as well.
func (e *engine) settleAccounts(r *Result) {
	r.Fault, r.Misplaced, r.Closed, r.Refused, r.FirstError = e.total.fault, e.total.misplaced, e.total.closed, e.total.refused, e.firstError
	r.Gaps, r.GapLost, r.OrderDiffer = 0, 0, 0
	orders := make(map[uint32]uint64, e.config.Channels)
	for _, c := range e.readers {
		if c.counts == 0 {
			continue // stands still on purpose; it is asked when it has read on
		}
		skipped, behind := e.lacks(c)
		if c.track != nil && c.track.gapped {
			r.Gaps++
			r.GapLost += skipped + behind
			r.Lost -= skipped
			continue
		}
		r.Lost += behind
		if skipped+behind > 0 {
			continue
		}
		if first, ok := orders[c.channel]; !ok {
			orders[c.channel] = c.order
		} else if first != c.order {
			r.OrderDiffer++
		}
	}
}

// lacks counts what a reader does not have: what was skipped, and what lies behind the last it has.
func (e *engine) lacks(c *conn) (skipped, behind int64) {
	for lane := range e.lanes {
		i := c.reader*e.lanes + lane
		skipped += e.missing[i].Count()
		behind += int64(e.numbers[int(c.channel)*e.lanes+lane] - e.expected[i])
	}
	return skipped, behind
}

// plays is what each scenario does.
var plays = map[string]func(ctx context.Context, e *engine, r *Result) error{
	"fanout": flow, "channels": flow, "rooms": rooms, "large": flow, "tokens": flow,
	"publish": flow, "idle": idle, "connect": connects, "storm": storm, "slow": slow, "soak": soak,
}

// begin connects everybody and warms up.
func prepare(ctx context.Context, e *engine, tracks func(i int) bool) error {
	if err := e.addReaders(tracks); err != nil {
		return err
	}
	if err := e.addPublishers(); err != nil {
		return err
	}
	if err := e.connectReaders(ctx); err != nil {
		return err
	}
	if err := e.connectPublishers(ctx); err != nil {
		return err
	}
	if err := e.publish(ctx, "warming up", e.config.Warmup); err != nil {
		return err
	}
	return e.drain(ctx)
}

// flow publishes to readers that are all there.
func flow(ctx context.Context, e *engine, r *Result) error {
	if err := prepare(ctx, e, nil); err != nil {
		return err
	}
	w := e.beginWindow()
	if err := e.publish(ctx, "publishing", e.config.For); err != nil {
		return err
	}
	if err := e.drain(ctx); err != nil {
		return err
	}
	e.endWindow(w, r)
	return nil
}

// rooms is flow with rooms that speak at random.
func rooms(ctx context.Context, e *engine, r *Result) error {
	e.plan.random = true
	return flow(ctx, e, r)
}

// idle connects and then only looks on.
func idle(ctx context.Context, e *engine, r *Result) error {
	if err := e.addReaders(nil); err != nil {
		return err
	}
	w := e.beginWindow()
	if err := e.connectReaders(ctx); err != nil {
		return err
	}
	r.Connect = e.connectFigures(w, len(e.readers))
	connected, _ := e.usage()
	start := e.now()
	if err := e.watch(ctx, e.config.For); err != nil {
		return err
	}
	settled, _ := e.usage()
	n := float64(max(1, len(e.readers)))
	r.Idle = &Idle{
		AtConnect: float64(connected.RSS-w.server.RSS) / n, Settled: float64(settled.RSS-w.server.RSS) / n,
		AnonSettled: float64(settled.Anon-w.server.Anon) / n, WatchedFor: seconds(e.now() - start),
		RSSBefore: w.server.RSS, RSSConnected: connected.RSS, RSSAtTheEnd: settled.RSS, StillThere: e.total.ready,
		UnexpectedEnd: len(e.readers) - e.total.ready,
	}
	r.Idle.CPUPerSecond = (settled.CPU() - connected.CPU()).Seconds() * 1e6 / n / r.Idle.WatchedFor
	e.endWindow(w, r)
	return nil
}

// connectFigures tells of n connections that were opened in w.
func (e *engine) connectFigures(w window, n int) *Connect {
	c := &Connect{Seconds: seconds(e.now() - w.start)}
	if after, ok := e.usage(); ok && w.known {
		if c.CPUSeconds = (after.CPU() - w.server.CPU()).Seconds(); c.CPUSeconds > 0 {
			c.PerCPU = float64(n) / c.CPUSeconds
		}
	}
	return c
}

// connects opens all connections, cuts them, and does so again until the time is over. Only the opening is counted.
func connects(ctx context.Context, e *engine, r *Result) error {
	if err := e.addReaders(nil); err != nil {
		return err
	}
	var sum Connect
	n := 0
	whole := e.beginWindow()
	for rounds := 0; rounds == 0 || e.now()-whole.start < int64(e.config.For); rounds++ {
		w := e.beginWindow()
		if err := e.connectReaders(ctx); err != nil {
			return err
		}
		c := e.connectFigures(w, len(e.readers))
		sum.Seconds += c.Seconds
		sum.CPUSeconds += c.CPUSeconds
		n += len(e.readers)
		for _, c := range e.readers {
			e.drop(c)
		}
		if err := e.calm(ctx); err != nil {
			return err
		}
	}
	if sum.CPUSeconds > 0 {
		sum.PerCPU = float64(n) / sum.CPUSeconds
	}
	r.Connect = &sum
	e.endWindow(whole, r)
	return nil
}

// calm waits until the server has nothing more to do, so that it does not clear up in the next window.
func (e *engine) calm(ctx context.Context) error {
	const pause = 100 * time.Millisecond
	for range 50 {
		before, ok := e.usage()
		if err := e.watch(ctx, pause); err != nil || !ok {
			return err
		}
		after, ok := e.usage()
		if !ok || after.CPU() == before.CPU() {
			return nil
		}
	}
	return nil
}

// never is a time that does not come.
const never = math.MaxInt64
