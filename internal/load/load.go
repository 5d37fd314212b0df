// Package load drives a realtime server as many clients would, and measures it from outside. It stands behind `todoke bench` and
// bench/compare.
//
// # What is measured, and how
//
// One thread holds all connections by epoll, reads into one buffer, and finds the messages in place; so the clients, which share the
// machine with the server, cost as little as they can. A message carries its number and the time at which it was to be sent.
//
//   - Latency is from that time, not from when the generator came to it, to when the bytes had been read: a server that
//     makes the next publish wait is charged for the wait. With saturation (rate 0) each of the publishers' Depth
//     slots sends when its answer came, and the time is that of sending; such figures hang on how many slots there are.
//   - Every reader checks the numbers of its channel: what is lost, duplicated and reordered is counted, always.
//   - Processor time and memory are the server's processes', from /proc, before and after the window only. The window begins
//     with the first publish behind the warm-up and ends when every reader has everything.
//
// A run's channels are new ones, with the run's number in their names, so nothing of an earlier run is met.
//
// Only Linux: elsewhere Run returns ErrUnsupported.
package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/todoke-dev/todoke/internal/load/adapter"
	"github.com/todoke-dev/todoke/internal/load/payload"
)

// ErrUnsupported means that this system has no epoll.
var ErrUnsupported = errors.New("the load generator needs Linux (epoll and /proc)")

// ErrTooMany means that the connections do not fit into the process.
var ErrTooMany = errors.New("too many connections for one process")

// ErrNotConnected means that a reader or publisher did not get a connection.
var ErrNotConnected = errors.New("not connected")

// ErrConfig means that the settings are of no use.
var ErrConfig = errors.New("not a load")

// A Config is one run. Zero values are filled in by WithDefaults.
type Config struct {
	Scenario string
	URL      string
	Adapter  string
	// Other is the adapter of every second reader of a channel; empty: the same.
	Other string
	// Token is what the adapter does with it.
	Token string
	// PIDs are the server's processes. Empty: the one that listens on the URL's port, if it can be found.
	PIDs []int

	// Readers are all readers, spread over the channels in turn.
	Readers  int
	Channels int
	// Publishers are connections that publish, each Depth messages at a time; over HTTP/1.1 the depth is 1.
	Publishers int
	Depth      int
	// Rate is in messages a second over all channels; 0: saturated.
	Rate float64
	// Saturated makes 0 the rate wanted, where a scenario would choose one.
	Saturated bool
	// Size is of a message, in bytes.
	Size int
	// For is how long is published, or how long idle connections are watched.
	For    time.Duration
	Warmup time.Duration
	// Missed is how many messages each reader of a storm misses.
	Missed int
	// Slow is the share of readers that stop reading.
	Slow float64
	// Connecting is how many connections are opened at a time.
	Connecting int
	// Patience is how long nothing may happen while connections and answers are waited for; then the run fails. 0: 10 s.
	Patience time.Duration
	// Quiet is how long readers may get nothing before what they lack is called lost. 0: 5 s.
	Quiet time.Duration

	// Progress is told now and then what is done; nil: nobody is.
	Progress func(stage string, done, total int64)
}

// WithDefaults fills in what was left out: the scenario's numbers, then the general ones.
func (c Config) WithDefaults() (Config, error) {
	s, err := scenarioNamed(c.Scenario)
	if err != nil {
		return c, err
	}
	d := s.Defaults
	c.Readers = or(c.Readers, d.Readers)
	c.Channels = or(or(c.Channels, d.Channels), 1)
	c.Publishers = or(or(c.Publishers, d.Publishers), 16)
	c.Depth = or(or(c.Depth, d.Depth), 1)
	if !c.Saturated {
		c.Rate = or(c.Rate, d.Rate)
	}
	c.Size = or(or(c.Size, d.Size), 128)
	c.For = or(or(c.For, d.For), 5*time.Second)
	c.Warmup = or(c.Warmup, d.Warmup)
	c.Missed = or(c.Missed, d.Missed)
	c.Slow = or(c.Slow, d.Slow)
	c.Connecting = or(or(c.Connecting, d.Connecting), 256)
	c.Patience = or(c.Patience, 10*time.Second)
	c.Quiet = or(c.Quiet, 5*time.Second)
	c.URL = or(c.URL, "http://127.0.0.1:7070")
	c.Adapter = or(c.Adapter, "todoke-sse")
	c.Other = or(or(c.Other, d.Other), c.Adapter)
	if a, err := adapter.Named(c.Adapter); err == nil && a.Publish.Request != nil {
		c.Depth = 1 // HTTP/1.1 answers one after the other
	}
	return c, c.check()
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (c Config) check() error {
	switch {
	case c.Size < payload.Size:
		return fmt.Errorf("%w: a message has at least %d bytes, for its number and time; size is %d", ErrConfig, payload.Size, c.Size)
	case c.Readers < 0 || c.Channels < 1 || c.Publishers < 1 || c.Depth < 1 || c.Missed < 0 || c.Connecting < 1:
		return fmt.Errorf("%w: numbers are not negative, and there is a channel, a publisher and a connection at a time", ErrConfig)
	case c.Publishers > 1<<12:
		return fmt.Errorf("%w: at most 4,096 publishers", ErrConfig)
	case c.Rate < 0 || c.Slow < 0 || c.Slow > 1:
		return fmt.Errorf("%w: a rate is not negative, and the slow readers' share lies between 0 and 1", ErrConfig)
	case c.For <= 0 || c.Warmup < 0 || c.Patience <= 0 || c.Quiet <= 0:
		return fmt.Errorf("%w: durations are more than 0", ErrConfig)
	}
	for _, name := range []string{c.Adapter, c.Other} {
		if _, err := adapter.Named(name); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	if _, err := adapter.ParseTarget(c.URL, c.Token); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// lanes is how many publishers send on one channel.
func (c Config) lanes() int { return max(1, (c.Publishers+c.Channels-1)/c.Channels) }
