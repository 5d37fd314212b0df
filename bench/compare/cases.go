package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/todoke-dev/todoke/internal/load"
)

// sizes are what the command line says of all cases.
type sizes struct {
	readers, channels, publishers, depth int
	rate                                 float64
	length                               time.Duration
}

// A benchCase is a scenario with its numbers, and what of its results is looked at.
type benchCase struct {
	name    string
	title   string
	config  func(s sizes) load.Config
	metrics []metric
}

// A metric is a figure of a result.
type metric struct {
	name   string
	unit   string
	higher bool // is better
	of     func(r *load.Result) (value float64, ok bool)
}

var (
	perCPU = metric{"deliveries per CPU-second", "/s", true, func(r *load.Result) (float64, bool) {
		return ofServer(r, func(s *load.Server) float64 { return s.PerCPU })
	}}
	publishesPerCPU = metric{"publishes per CPU-second", "/s", true, func(r *load.Result) (float64, bool) {
		return ofServer(r, func(s *load.Server) float64 { return s.PublishCPU })
	}}
	perSecond = metric{"deliveries per second", "/s", true, func(r *load.Result) (float64, bool) { return float64(r.Deliveries) / r.Seconds, r.Seconds > 0 }}
	p99       = metric{"latency, p99", "ms", false, func(r *load.Result) (float64, bool) { return r.Latency.P99, r.Latency.P99 > 0 }}
	answered  = metric{"answer to a publish, p99", "ms", false, func(r *load.Result) (float64, bool) { return r.Ack.P99, r.Ack.P99 > 0 }}
	memory    = metric{"resident memory of a connection", "KiB", false, func(r *load.Result) (float64, bool) {
		if r.Idle == nil || r.Server == nil {
			return 0, false
		}
		return r.Idle.Settled / 1024, true
	}}
	opened = metric{"connects per CPU-second", "/s", true, func(r *load.Result) (float64, bool) {
		if r.Connect == nil {
			return 0, false
		}
		return r.Connect.PerCPU, r.Connect.PerCPU > 0
	}}
	beside = metric{"p99 of the others ÷ without slow readers", "×", false, func(r *load.Result) (float64, bool) {
		if r.SlowOn == nil || r.SlowOn.P99Before == 0 {
			return 0, false
		}
		return r.SlowOn.P99 / r.SlowOn.P99Before, true
	}}
	back = metric{"until all have what they missed", "s", false, func(r *load.Result) (float64, bool) {
		if r.Storm == nil {
			return 0, false
		}
		return r.Storm.Seconds, r.Storm.Seconds > 0
	}}
	backCPU = metric{"processor time of each", "ms", false, func(r *load.Result) (float64, bool) {
		if r.Storm == nil {
			return 0, false
		}
		return r.Storm.CPUPerReaderMS, r.Storm.CPUPerReaderMS > 0
	}}
)

func ofServer(r *load.Result, of func(*load.Server) float64) (float64, bool) {
	if r.Server == nil {
		return 0, false
	}
	v := of(r.Server)
	return v, v > 0
}

// usual are measured when the command line names no cases.
const usual = 6

func allCases() []benchCase {
	fan := []metric{perCPU, p99}
	base := func(s sizes, scenario string) load.Config {
		return load.Config{Scenario: scenario, Readers: s.readers, Publishers: s.publishers, Depth: s.depth, For: s.length, Warmup: 500 * time.Millisecond}
	}
	return []benchCase{
		{"fanout", "One channel, a modest rate", func(s sizes) load.Config {
			c := base(s, "fanout")
			c.Rate = s.rate
			return c
		}, fan},
		{"saturated", "One channel, saturated", func(s sizes) load.Config {
			c := base(s, "fanout")
			c.Saturated = true
			return c
		}, []metric{perCPU, perSecond, p99}},
		{"channels", "Many channels with 8 readers each, saturated", func(s sizes) load.Config {
			c := base(s, "channels")
			c.Channels, c.Readers, c.Saturated = s.channels, 8*s.channels, true
			return c
		}, fan},
		{"publish", "Publishes without readers, saturated", func(s sizes) load.Config {
			c := base(s, "publish")
			c.Readers, c.Saturated = 0, true
			return c
		}, []metric{publishesPerCPU, answered}},
		{"idle", "Idle connections", func(s sizes) load.Config { return base(s, "idle") }, []metric{memory}},
		{"connect", "Connecting", func(s sizes) load.Config {
			c := base(s, "connect")
			c.For = min(c.For, time.Second)
			return c
		}, []metric{opened}},
		{"large", "Messages of 64 KiB", func(s sizes) load.Config {
			c := base(s, "large")
			c.Readers = max(1, s.readers/10)
			return c
		}, fan},
		{"rooms", "Rooms of two", func(s sizes) load.Config {
			c := base(s, "rooms")
			c.Channels = max(1, s.readers/2)
			return c
		}, fan},
		{"tokens", "AI tokens", func(s sizes) load.Config {
			c := base(s, "tokens")
			c.Readers, c.Channels = max(1, s.readers/2), max(1, s.readers/2)
			return c
		}, fan},
		{"slow", "Some do not read", func(s sizes) load.Config {
			return load.Config{Scenario: "slow", Publishers: s.publishers, Depth: s.depth, For: 2 * s.length, Warmup: 500 * time.Millisecond}
		}, []metric{p99, beside}},
		{"storm", "All are cut and come back at once", func(s sizes) load.Config { return base(s, "storm") }, []metric{back, backCPU}},
	}
}

func caseNames() (names []string) {
	for _, c := range allCases() {
		names = append(names, c.name)
	}
	return names
}

// casesOf picks cases by name.
func casesOf(names string) ([]benchCase, error) {
	all := allCases()
	if names == "" {
		return all[:usual], nil
	}
	var picked []benchCase
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(c benchCase) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no case is called %q; there are %s", name, strings.Join(caseNames(), ", "))
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}
