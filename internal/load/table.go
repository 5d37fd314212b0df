package load

import (
	"fmt"
	"io"
	"strings"
)

// Write writes r for people.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	who := r.Adapter
	if r.Other != "" {
		who += " and " + r.Other
	}
	fmt.Fprintf(&b, "%s  %s  %s\n", r.Scenario, who, r.URL)
	if r.Idle != nil || r.Connect != nil {
		line("load", "%s readers on %s", thousands(r.Readers), count(r.Channels, "channel"))
	} else {
		line("load", "%s readers on %s, %s, %d-byte messages", thousands(r.Readers), count(r.Channels, "channel"), r.pace(), r.Size)
	}
	line("window", "%.2f s: %s published, %s delivered, %s read", r.Seconds, thousands(r.Published), thousands(r.Deliveries), mebibytes(r.Bytes))
	if r.Latency != (Latency{}) {
		line("latency", "%s", r.Latency)
	}
	if r.Ack != (Latency{}) {
		line("answers", "%s", r.Ack)
	}
	r.writeServer(line)
	r.writeSpecial(line)
	line("sequences", "%d lost, %d duplicated, %d reordered", r.Lost, r.Duplicated, r.Reordered)
	for _, odd := range []struct {
		n    int64
		what string
	}{
		{r.Gaps, "readers were told of a gap"}, {r.GapLost, "messages lay in gaps"}, {r.Misplaced, "messages came to a reader of another channel"},
		{r.OrderDiffer, "readers saw another order than the first of their channel"}, {r.Closed, "connections were ended by the server"},
		{r.Refused, "publishes were refused: " + r.FirstError}, {r.Cuts, "connections were cut on purpose"},
	} {
		if odd.n > 0 {
			line("", "%d %s", odd.n, odd.what)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) pace() string {
	switch {
	case r.Storm != nil:
		return fmt.Sprintf("%d messages missed", r.Storm.Missed)
	case r.Rate > 0:
		return fmt.Sprintf("%g messages/s", r.Rate)
	}
	return fmt.Sprintf("saturated by %d in flight (%d publishers × %d)", r.InFlight, r.Publishers, r.Depth)
}

func (r *Result) writeServer(line func(name, format string, args ...any)) {
	s := r.Server
	if s == nil {
		line("server", "its process is not known (--pid), so there are no figures of it")
		return
	}
	line("server", "%.2f s of processor time (%.2f user, %.2f system); %s resident; client %.2f s", s.CPU, s.User, s.System, mebibytes(s.RSS), r.ClientCPU)
	if r.Deliveries > 0 && s.PerCPU > 0 {
		line("", "%s deliveries per CPU-second", thousands(int64(s.PerCPU)))
	}
	if r.Published > 0 && s.PublishCPU > 0 {
		line("", "%s publishes per CPU-second", thousands(int64(s.PublishCPU)))
	}
}

func (r *Result) writeSpecial(line func(name, format string, args ...any)) {
	if c := r.Connect; c != nil {
		line("connect", "%.2f s; %.2f s of processor time; %s per CPU-second", c.Seconds, c.CPUSeconds, thousands(int64(c.PerCPU)))
	}
	if i := r.Idle; i != nil {
		line("idle", "%.0f bytes each at connect, %.0f after %.0f s; %.2f µs of processor time a second each; %d still there",
			i.AtConnect, i.Settled, i.WatchedFor, i.CPUPerSecond, i.StillThere)
	}
	if s := r.Storm; s != nil {
		if s.Seconds == 0 {
			line("storm", "it was not over: not everybody has everything")
		} else {
			line("storm", "%d messages missed; all connected after %.2f s, all have everything after %.2f s; %.3f ms of processor time each",
				s.Missed, s.Connected, s.Seconds, s.CPUPerReaderMS)
		}
	}
	if s := r.SlowOn; s != nil {
		line("slow", "%d stood still: p99 of the others %.2f ms, %.2f without; server grew by %s", s.Readers, s.P99, s.P99Before, mebibytes(s.RSSGrown))
		line("", "%d of them had everything, or knew of a gap, after %.2f s; %d had been cut", s.CaughtUp, s.Seconds, s.Cut)
	}
}

func (l Latency) String() string {
	return fmt.Sprintf("p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", l.P50, l.P90, l.P99, l.P999, l.Max)
}

// count writes 1 channel, 2,000 channels.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}

// thousands writes 1234567 as 1,234,567.
func thousands[T int | int64](n T) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
