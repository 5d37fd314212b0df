package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/todoke-dev/todoke/internal/load"
)

// A summary is what a run of compare found.
type summary struct {
	When    string
	Machine string
	Rounds  int
	Targets []string
	Panels  []panel
}

// A panel is one figure of one case, for all targets.
type panel struct {
	Case   string
	Title  string
	Load   string // the numbers of the load
	Metric string
	Unit   string
	Higher bool
	Rows   []row
}

// A row is a target's share of a panel.
type row struct {
	Target           string
	Values           []float64
	Median, Low, Top float64
	Ratio            float64 // to the first target; 0: there is none
	Faults           string  // what was wrong with the messages
}

func summarize(p plan, all []*load.Result) summary {
	s := summary{When: time.Now().UTC().Format("2006-01-02 15:04 MST"), Machine: machine(), Rounds: p.rounds}
	for _, t := range p.targets {
		s.Targets = append(s.Targets, t.name)
	}
	for _, c := range p.cases {
		for _, m := range c.metrics {
			panel := panel{Case: c.name, Title: c.title, Metric: m.name, Unit: m.unit, Higher: m.higher}
			for _, t := range p.targets {
				if r := rowOf(all, c, t, m, &panel.Load); len(r.Values) > 0 {
					panel.Rows = append(panel.Rows, r)
				}
			}
			if len(panel.Rows) > 0 {
				panel.compare(p.targets[0].name)
				s.Panels = append(s.Panels, panel)
			}
		}
	}
	return s
}

func rowOf(all []*load.Result, c benchCase, t target, m metric, about *string) row {
	r := row{Target: t.name}
	var lost, duplicated, reordered int64
	for _, result := range all {
		if result.Case != c.name || result.Target != t.name {
			continue
		}
		*about = loadOf(result)
		lost, duplicated, reordered = lost+result.Lost, duplicated+result.Duplicated, reordered+result.Reordered
		if v, ok := m.of(result); ok {
			r.Values = append(r.Values, v)
		}
	}
	if lost+duplicated+reordered > 0 {
		r.Faults = fmt.Sprintf("%d lost, %d duplicated, %d reordered", lost, duplicated, reordered)
	}
	if len(r.Values) > 0 {
		r.Median, r.Low, r.Top = median(r.Values), slices.Min(r.Values), slices.Max(r.Values)
	}
	return r
}

// loadOf tells the load in a line; what publishes saturated is told with the number in flight.
func loadOf(r *load.Result) string {
	parts := []string{}
	if r.Readers > 0 {
		parts = append(parts, fmt.Sprintf("%d readers", r.Readers))
	}
	if r.Channels > 1 {
		parts = append(parts, fmt.Sprintf("%d channels", r.Channels))
	}
	switch {
	case r.Idle != nil || r.Storm != nil || r.Published == 0:
	case r.Rate > 0:
		parts = append(parts, fmt.Sprintf("%g messages/s", r.Rate))
	default:
		parts = append(parts, fmt.Sprintf("%d publishes in flight", r.InFlight))
	}
	if r.Storm != nil {
		parts = append(parts, fmt.Sprintf("%d messages missed", r.Storm.Missed))
	}
	if r.Published > 0 || r.Storm != nil {
		parts = append(parts, fmt.Sprintf("%d bytes", r.Size))
	}
	return strings.Join(parts, ", ")
}

func (p *panel) compare(first string) {
	i := slices.IndexFunc(p.Rows, func(r row) bool { return r.Target == first })
	if i < 0 || p.Rows[i].Median == 0 {
		return
	}
	for j := range p.Rows {
		p.Rows[j].Ratio = p.Rows[j].Median / p.Rows[i].Median
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// machine tells what was measured on.
func machine() string {
	parts := []string{fmt.Sprintf("%d processors", runtime.NumCPU())}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				parts = append(parts, strings.TrimSpace(value))
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, "Linux "+strings.TrimSpace(string(text)))
	}
	return strings.Join(append(parts, runtime.Version(), "loopback"), " · ")
}

func (s summary) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range s.Panels {
		fmt.Fprintf(t, "\n%s (%s): %s\n", p.Title, p.Load, p.Metric)
		for _, r := range p.Rows {
			ratio := "-"
			if r.Ratio > 0 {
				ratio = fmt.Sprintf("%.2f × %s", r.Ratio, s.Targets[0])
			}
			fmt.Fprintf(t, "  %s\t%s %s\t%s\t%s to %s\t%s\n", r.Target, figure(r.Median), p.Unit, ratio, figure(r.Low), figure(r.Top), r.Faults)
		}
	}
	return t.Flush()
}

// figure writes a value with three digits that count, or whole.
func figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case math.Abs(v) >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case math.Abs(v) >= 1e4:
		return fmt.Sprintf("%.0f k", v/1e3)
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	return strconv.FormatFloat(v, 'f', min(digits, 4), 64)
}
