package load

import (
	"fmt"
	"strings"
	"time"
)

// A Scenario is one kind of load.
type Scenario struct {
	Name  string
	About string
	// Defaults are what a run has where it says nothing.
	Defaults Config
}

// Scenarios are all of them.
func Scenarios() []Scenario {
	const second = time.Second
	return []Scenario{
		{"fanout", "one channel, many readers", Config{Readers: 1000, Rate: 20, Warmup: second}},
		{"channels", "many channels with a few readers each", Config{Readers: 8000, Channels: 1000, Warmup: second}},
		{"publish", "acknowledged publishes, no readers", Config{Warmup: second}},
		{
			"rooms", "chat rooms of two that speak at random; --adapter-other gives one of the two another transport",
			Config{Readers: 2000, Channels: 1000, Rate: 2000, Warmup: second},
		},
		{"idle", "connections that nothing happens on: memory and processor time of each", Config{Readers: 10000}},
		{"connect", "how many connections are opened for a second of processor time", Config{Readers: 4000}},
		{
			"storm", "all readers are cut, miss messages, and come back at once with their positions",
			Config{Readers: 8000, Missed: 50, Connecting: 2000},
		},
		{
			"slow", "a share of the readers stops reading, and goes on later",
			Config{Readers: 200, Rate: 40, Size: 16 << 10, Slow: 0.01, For: 10 * second, Warmup: second},
		},
		{"large", "messages of 64 KiB", Config{Readers: 100, Rate: 20, Size: 64 << 10, Warmup: second}},
		{
			"tokens", "many small appends to many channels, as of AI answers",
			Config{Readers: 500, Channels: 500, Rate: 10000, Size: 56, Warmup: second},
		},
		{
			"soak", "channels at a rate, while readers are cut and come back with their positions",
			Config{Readers: 500, Channels: 50, Rate: 500, For: time.Minute},
		},
	}
}

func scenarioNamed(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("%w: no scenario is called %q; there are %s", ErrConfig, name, strings.Join(names, ", "))
}
