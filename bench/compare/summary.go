package main

import (
	"fmt"
	"io"
	"maps"
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
	Values           map[int]float64 // by round
	Median, Low, Top float64
	Ratios           []float64 // to each row; 0: there is none
	InFlight         int       // publishes, where saturated
	Label            string    // the target, and what of its load is not that of the others
	Faults           string    // what was wrong with the messages
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
				panel.compare()
				panel.label()
				s.Panels = append(s.Panels, panel)
			}
		}
	}
	return s
}

func rowOf(all []*load.Result, c benchCase, t target, m metric, about *string) row {
	r := row{Target: t.name, Values: map[int]float64{}}
	var lost, duplicated, reordered int64
	for _, result := range all {
		if result.Case != c.name || result.Target != t.name {
			continue
		}
		*about = loadOf(result)
		if saturated(result) {
			r.InFlight = result.InFlight
		}
		lost, duplicated, reordered = lost+result.Lost, duplicated+result.Duplicated, reordered+result.Reordered
		if v, ok := m.of(result); ok {
			r.Values[result.Round] = v
		}
	}
	if lost+duplicated+reordered > 0 {
		r.Faults = fmt.Sprintf("%d lost, %d duplicated, %d reordered", lost, duplicated, reordered)
	}
	if len(r.Values) > 0 {
		values := slices.Sorted(maps.Values(r.Values))
		r.Median, r.Low, r.Top = median(values), values[0], values[len(values)-1]
	}
	return r
}

// saturated reports whether the result hangs on how many publishes were in flight.
func saturated(r *load.Result) bool {
	return r.Published > 0 && r.Rate == 0 && r.Idle == nil && r.Storm == nil
}

// loadOf tells the load in a line.
func loadOf(r *load.Result) string {
	parts := []string{}
	if r.Readers > 0 {
		parts = append(parts, fmt.Sprintf("%d readers", r.Readers))
	}
	if r.Channels > 1 {
		parts = append(parts, fmt.Sprintf("%d channels", r.Channels))
	}
	if r.Rate > 0 && r.Storm == nil {
		parts = append(parts, fmt.Sprintf("%g messages/s", r.Rate))
	}
	if r.Storm != nil {
		parts = append(parts, fmt.Sprintf("%d messages missed", r.Storm.Missed))
	}
	if r.Published > 0 || r.Storm != nil {
		parts = append(parts, fmt.Sprintf("%d bytes", r.Size))
	}
	return strings.Join(parts, ", ")
}

// label tells how many publishes were in flight, of all or, where they differ, of each: over HTTP/1.1 a connection has one, elsewhere
// as many as its depth.
func (p *panel) label() {
	same := true
	for _, r := range p.Rows {
		same = same && r.InFlight == p.Rows[0].InFlight
	}
	if n := p.Rows[0].InFlight; same && n > 0 {
		p.Load += fmt.Sprintf(", %d publishes in flight", n)
	}
	for i := range p.Rows {
		r := &p.Rows[i]
		if r.Label = r.Target; !same {
			r.Label += fmt.Sprintf(" (%d in flight)", r.InFlight)
		}
	}
}

// compare makes the ratios. Each is the median of the rounds' own: what slows the machine down for a while slows both.
func (p *panel) compare() {
	for i := range p.Rows {
		for _, other := range p.Rows {
			p.Rows[i].Ratios = append(p.Rows[i].Ratios, ratio(p.Rows[i], other))
		}
	}
}

func ratio(one, other row) float64 {
	var all []float64
	for round, v := range one.Values {
		if base := other.Values[round]; base > 0 {
			all = append(all, v/base)
		}
	}
	if len(all) == 0 {
		return 0
	}
	return median(all)
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
		for i, r := range p.Rows {
			fmt.Fprintf(t, "  %s\t%s\t%s to %s", r.Label, p.value(r.Median), figure(r.Low), figure(r.Top))
			for j, other := range p.Rows {
				if i == j {
					fmt.Fprint(t, "\t")
				} else {
					fmt.Fprintf(t, "\t%s × %s", times(r.Ratios[j]), other.Target)
				}
			}
			fmt.Fprintf(t, "\t%s\n", r.Faults)
		}
	}
	return t.Flush()
}

// value writes a figure with its unit.
func (p panel) value(v float64) string {
	if strings.HasPrefix(p.Unit, "/") {
		return figure(v) + p.Unit
	}
	return figure(v) + " " + p.Unit
}

func times(ratio float64) string {
	switch {
	case ratio == 0:
		return "–"
	case ratio >= 10:
		return fmt.Sprintf("%.0f", ratio)
	}
	return fmt.Sprintf("%.2f", ratio)
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
