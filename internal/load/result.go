package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/todoke-dev/todoke/internal/load/proc"
	"github.com/todoke-dev/todoke/internal/load/sequence"
)

// A Result is what a run measured: one line of JSON. Times are seconds, latencies milliseconds, memory bytes. Figures of the
// server are absent where its process was not known.
type Result struct {
	Scenario   string  `json:"scenario"`
	Adapter    string  `json:"adapter"`
	Other      string  `json:"other,omitempty"`
	Target     string  `json:"target,omitempty"` // names that bench/compare gives
	Case       string  `json:"case,omitempty"`
	Round      int     `json:"round,omitempty"`
	URL        string  `json:"url"`
	Time       string  `json:"time"`
	Readers    int     `json:"readers"`
	Channels   int     `json:"channels"`
	Publishers int     `json:"publishers"`
	Depth      int     `json:"depth"`
	InFlight   int     `json:"in_flight"` // publishes that wait for their answers at most
	Rate       float64 `json:"rate"`      // wanted; 0: saturated
	Size       int     `json:"size"`

	Seconds    float64 `json:"seconds"` // of the window
	Published  int64   `json:"published"`
	Deliveries int64   `json:"deliveries"`
	Bytes      int64   `json:"bytes"` // read by the readers
	sequence.Fault
	Gaps        int64  `json:"gaps"`      // readers that were told of one
	GapLost     int64  `json:"gap_lost"`  // messages that these did not get
	Misplaced   int64  `json:"misplaced"` // deliveries on a channel that was not the reader's
	Closed      int64  `json:"closed"`    // connections that the server ended
	Refused     int64  `json:"refused"`   // publishes that were answered with an error
	FirstError  string `json:"first_error,omitempty"`
	OrderDiffer int64  `json:"order_differs"` // readers that saw a channel's messages in another order than the first did

	Latency Latency `json:"latency_ms"`
	Ack     Latency `json:"ack_ms"`

	Server    *Server `json:"server,omitempty"`
	ClientCPU float64 `json:"client_cpu_seconds"`

	Connect *Connect `json:"connect,omitempty"`
	Idle    *Idle    `json:"idle,omitempty"`
	Storm   *Storm   `json:"storm,omitempty"`
	SlowOn  *Slow    `json:"slow,omitempty"`
	Cuts    int64    `json:"cuts,omitempty"`
}

// OK reports whether nothing was lost, duplicated, reordered, misplaced or refused.
func (r *Result) OK() bool {
	return r.Fault == (sequence.Fault{}) && r.Misplaced == 0 && r.Refused == 0 && r.OrderDiffer == 0
}

// A Latency has the percentiles of a histogram, in milliseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	ms := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) / 1e6 }
	return Latency{P50: ms(50), P90: ms(90), P99: ms(99), P999: ms(99.9), Max: float64(h.Max()) / 1e6}
}

// A Server is what its processes used in the window, and held at its end.
type Server struct {
	PIDs       []int   `json:"pids"`
	User       float64 `json:"user_seconds"`
	System     float64 `json:"system_seconds"`
	CPU        float64 `json:"cpu_seconds"`
	RSSBefore  int64   `json:"rss_before"`
	RSS        int64   `json:"rss"`
	Anon       int64   `json:"rss_anon"`
	PerCPU     float64 `json:"deliveries_per_cpu_second,omitempty"`
	PublishCPU float64 `json:"publishes_per_cpu_second,omitempty"`
}

// A Connect tells of opening the readers' connections.
type Connect struct {
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	PerCPU     float64 `json:"per_cpu_second"`
}

// An Idle is the cost of a connection that nothing happens on.
type Idle struct {
	AtConnect     float64 `json:"bytes_at_connect"`
	Settled       float64 `json:"bytes_settled"`
	AnonSettled   float64 `json:"anon_bytes_settled"`
	CPUPerSecond  float64 `json:"cpu_us_per_second"` // of each
	WatchedFor    float64 `json:"seconds"`
	RSSBefore     int64   `json:"rss_before"`
	RSSConnected  int64   `json:"rss_connected"`
	RSSAtTheEnd   int64   `json:"rss_settled"`
	StillThere    int     `json:"still_connected"`
	UnexpectedEnd int     `json:"ended"`
}

// A Storm tells how long readers took to come back and have everything.
type Storm struct {
	Seconds        float64 `json:"seconds"`
	CPUSeconds     float64 `json:"cpu_seconds"`
	CPUPerReaderMS float64 `json:"cpu_ms_per_reader"`
	Missed         int     `json:"missed"`
	Connected      float64 `json:"connected_seconds"` // until the last was connected again
}

// Slow tells of the readers that stopped.
type Slow struct {
	Readers   int     `json:"readers"`
	P99Before float64 `json:"p99_ms_without"`    // of the others, in a window before they stopped
	P99       float64 `json:"p99_ms_with"`       // of the others, while they stood still
	RSSGrown  int64   `json:"rss_grown"`         // of the server, while they stood still
	Cut       int64   `json:"cut"`               // of them the server ended, and they came back with their positions
	CaughtUp  int     `json:"caught_up"`         // of them have everything, or were told of a gap
	Seconds   float64 `json:"caught_up_seconds"` // it took, once they read on
}

// serverOf compares two readings of the server.
func serverOf(pids []int, before, after proc.Usage, deliveries, published int64) *Server {
	s := &Server{
		PIDs: pids, User: (after.User - before.User).Seconds(), System: (after.System - before.System).Seconds(),
		RSSBefore: before.RSS, RSS: after.RSS, Anon: after.Anon,
	}
	s.CPU = s.User + s.System
	if s.CPU > 0 {
		s.PerCPU, s.PublishCPU = float64(deliveries)/s.CPU, float64(published)/s.CPU
	}
	return s
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }
