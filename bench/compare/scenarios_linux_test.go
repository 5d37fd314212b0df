package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke/internal/load"
	"github.com/todoke-dev/todoke/internal/load/sequence"
)

// built are the targets of one's own with their binaries, built once.
var built map[string]*target

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "compare")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chdir("../.."); err != nil { // the packages to build are named from the root
			panic(err)
		}
		built = map[string]*target{}
		for _, t := range ours() {
			if err := t.prepare(context.Background(), dir); err != nil {
				panic(err)
			}
			built[t.name] = &t
		}
		return m.Run()
	}())
}

// startFor starts a target for one test.
func startFor(t *testing.T, name string) *running {
	t.Helper()
	r, err := built[name].start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// small is a load that takes less than a second.
func small(scenario, adapter string) load.Config {
	c := load.Config{Scenario: scenario, Adapter: adapter, Publishers: 4, For: 200 * time.Millisecond, Warmup: 20 * time.Millisecond}
	switch scenario {
	case "publish":
		c.Channels = 3
	case "fanout", "large", "slow":
		c.Readers, c.Rate = 20, 200
	case "idle", "connect":
		c.Readers = 40
	case "storm":
		c.Readers, c.Missed, c.Channels = 30, 7, 3
	default:
		c.Readers, c.Channels, c.Rate = 20, 10, 200
	}
	return c
}

func TestEveryScenario(t *testing.T) {
	todoke := startFor(t, "todoke")
	for _, s := range load.Scenarios() {
		for _, adapter := range []string{"todoke-sse", "todoke-ws", "todoke-session"} {
			t.Run(s.Name+"/"+adapter, func(t *testing.T) {
				c := small(s.Name, adapter)
				c.URL = todoke.url
				r, err := load.Run(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				check(t, r, todoke.pid)
			})
		}
	}
}

// check says what every result against a server that works must have.
func check(t *testing.T, r *load.Result, pid int) {
	t.Helper()
	if !r.OK() || r.GapLost > 0 || r.Closed > 0 {
		t.Errorf("faults against a server that works: %+v", r)
	}
	if r.Server == nil || len(r.Server.PIDs) != 1 || r.Server.PIDs[0] != pid || r.Server.RSS == 0 {
		t.Errorf("the server's process was not found, or has no memory: %+v", r.Server)
	}
	wantDeliveries := r.Readers > 0 && r.Idle == nil && r.Scenario != "connect"
	if (r.Deliveries > 0) != wantDeliveries {
		t.Errorf("%d deliveries", r.Deliveries)
	}
	if wantDeliveries && r.Storm == nil && (r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P50 || r.Published == 0) {
		t.Errorf("published %d, latency %+v", r.Published, r.Latency)
	}
	switch r.Scenario {
	case "storm":
		if r.Deliveries != int64(r.Readers*r.Storm.Missed) || r.Storm.Seconds == 0 {
			t.Errorf("%d deliveries, want %d readers × %d; %+v", r.Deliveries, r.Readers, r.Storm.Missed, r.Storm)
		}
	case "slow":
		if r.SlowOn.CaughtUp != r.SlowOn.Readers || r.SlowOn.Readers == 0 {
			t.Errorf("%+v", r.SlowOn)
		}
	case "soak":
		if r.Cuts == 0 {
			t.Error("nobody was cut")
		}
	case "idle":
		if r.Idle.StillThere != r.Readers {
			t.Errorf("%+v", r.Idle)
		}
	}
	var table strings.Builder
	if err := r.Write(&table); err != nil || !strings.Contains(table.String(), "0 lost, 0 duplicated, 0 reordered") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

// The adapter of todoke's SSE drives the bare servers and the one by hand.
func TestOtherServers(t *testing.T) {
	for _, name := range []string{"bare", "shared", "byhand"} {
		server := startFor(t, name)
		for _, scenario := range []string{"fanout", "channels", "publish", "rooms", "idle", "connect", "large", "tokens"} {
			for _, saturated := range []bool{false, true} {
				if saturated && !slices.Contains([]string{"fanout", "channels", "publish"}, scenario) {
					continue
				}
				t.Run(name+"/"+scenario, func(t *testing.T) {
					c := small(scenario, "todoke-sse")
					c.URL = server.url
					if c.Saturated = saturated; saturated {
						c.Rate = 0
					}
					if c.Publishers = 1; name != "byhand" {
						c.Publishers = 4
					}
					r, err := load.Run(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					check(t, r, server.pid)
				})
			}
		}
	}
}

// A reader that does not read is owed what it did not take, also by the bare server.
func TestSlowReadersOfTheBareServer(t *testing.T) {
	c := small("slow", "todoke-sse")
	c.URL, c.Size, c.Rate = startFor(t, "shared").url, 16<<10, 1000
	r, err := load.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || r.SlowOn.CaughtUp != r.SlowOn.Readers {
		t.Errorf("%+v, %+v", r, r.SlowOn)
	}
}

// Readers that stood still for longer than the server keeps messages are told so, and what they did not get is not called lost.
func TestSlowReadersAreToldOfGaps(t *testing.T) {
	short := *built["todoke"]
	short.command = append(slices.Clone(short.command), "--retain-messages", "10")
	server, err := short.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.stop(); err != nil {
			t.Error(err)
		}
	})
	for _, adapter := range []string{"todoke-sse", "todoke-ws"} {
		// 20 MiB for each reader: more than any socket holds, and more messages than the server keeps at hand for those that follow.
		c := load.Config{Scenario: "slow", Adapter: adapter, URL: server.url, Readers: 4, Publishers: 2, Size: 32 << 10, Rate: 1000, For: 600 * time.Millisecond, Slow: 0.5}
		r, err := load.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Fault != (sequence.Fault{}) || r.Gaps < 2 || r.GapLost == 0 || r.SlowOn.CaughtUp != 2 {
			t.Errorf("%s: %+v, %d gaps with %d messages, %+v", adapter, r.Fault, r.Gaps, r.GapLost, r.SlowOn)
		}
	}
}
