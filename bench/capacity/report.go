package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// A report is everything that is printed.
type report struct {
	Target target `json:"target"`
	Demand demand `json:"demand"`
	Plans  []plan `json:"plans"`
	Rates  []rate `json:"rates"`
}

// A rate is how a cluster whose nodes all follow the whole log does at so many publishes a second.
type rate struct {
	Publishes  float64 `json:"publishes_per_second"`
	Partitions int     `json:"partitions"` // the fewest that a stream and a tail allow
	TailCPU    float64 `json:"tail_of_cpu"`
	TailNIC    float64 `json:"tail_of_nic"`
	Unplaced   int     `json:"nodes_following_all"` // 0: none are enough
	Placed     int     `json:"nodes_placed"`
}

func (t target) report() report {
	r := report{Target: t, Demand: t.demand()}
	for _, placed := range []bool{false, true} {
		for partitions := 1; partitions <= mostPartitions; partitions *= 2 {
			r.Plans = append(r.Plans, t.plan(partitions, placed))
		}
	}
	for _, publishes := range []float64{10e3, 30e3, 100e3, 300e3, 1e6, 2e6, 3e6, 5e6} {
		r.Rates = append(r.Rates, t.rate(publishes))
	}
	return r
}

// mostPartitions is what a position has room for (docs/decisions/0010-a-log-in-partitions.md).
const mostPartitions = 64

// rate has the same deliveries at another number of publishes: the fan-out is less where there are more.
func (t target) rate(publishes float64) rate {
	t.FanOut *= t.Publishes / publishes
	t.Publishes = publishes
	r := rate{Publishes: publishes, Partitions: int(math.Ceil(publishes / math.Min(t.StreamPerSec, tailPerCPU)))}
	r.TailCPU, r.TailNIC = t.tail(t.demand(), 1)
	if p := t.plan(r.Partitions, false); p.Why == "" {
		r.Unplaced = p.Nodes
	}
	if p := t.plan(r.Partitions, true); p.Why == "" {
		r.Placed = p.Nodes
	}
	return r
}

func (r report) print(w io.Writer) error {
	t, d := r.Target, r.Demand
	fmt.Fprintf(w, "%s connections, %.0f %% evented and the rest TLS; %s publishes/s of %s bytes; %s channels with %g readers each, fan-out %g\n",
		count(t.Connections), 100*t.Evented, count(t.Publishes), count(t.MessageBytes), count(t.Channels), t.Readers, t.FanOut)
	fmt.Fprintf(w, "nodes of %g cores, %g GiB, %g Gbit/s, used to %.0f %%, at most %s connections, %d to spare; a stream takes %s/s\n\n",
		t.Cores, t.GiB, t.Gbit, 100*t.Load, count(t.MostPerNode), t.Spare, count(t.StreamPerSec))
	fmt.Fprintln(w, "All nodes together, the following of the log aside:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  deliveries\t%s/s\t%.1f cores\t%s out\n", count(d.Deliveries), d.DeliveryCores, gbits(d.OutGbit))
	fmt.Fprintf(table, "  keep-alives\t%s/s\t%.1f cores\n", count(t.Connections/keepAliveSeconds), d.AliveCores)
	fmt.Fprintf(table, "  publishes\t%s/s\t%.1f cores\t%s in\n", count(t.Publishes), d.PublishCores, gbits(d.InGbit))
	fmt.Fprintf(table, "  idle links\t%.0f GiB\n  the log\t%.0f GiB kept\t\t%s to each node that follows all of it\n", d.LinkGiB, d.StoredGiB, gbits(d.LogGbit))
	table.Flush()
	for _, placed := range []bool{false, true} {
		r.printPlans(w, placed)
	}
	r.printRates(w)
	return r.printFigure(w)
}

func (r report) printPlans(w io.Writer, placed bool) {
	title := "Readers anywhere: each node follows every partition"
	if placed {
		title = "Readers placed by partition: a node follows its own"
	}
	fmt.Fprintf(w, "\n%s\n", title)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "partitions\tpublishes each\tof a stream\tnodes\tfull first\ttail, of CPU\tof NIC\tengine sends\tservers\tstreams\t fits")
	for _, p := range r.Plans {
		if p.Placed != placed {
			continue
		}
		fits := "yes"
		if p.Why != "" {
			fits = "no: " + p.Why
		}
		nodes, servers := "-", "-"
		if p.Nodes > 0 {
			nodes, servers = fmt.Sprint(p.Nodes), fmt.Sprint(p.EngineServers)
		}
		fmt.Fprintf(table, "%d\t%s\t%.0f %%\t%s\t%s\t%.1f %%\t%.1f %%\t%s\t%s\t%d\t %s\n", p.Partitions, count(p.PerStream), 100*p.PerStreamShare,
			nodes, p.Binds, 100*p.TailCPU, 100*p.TailNIC, gbits(p.EngineGbit), servers, p.Streams, fits)
	}
	table.Flush()
}

func (r report) printRates(w io.Writer) {
	fmt.Fprintf(w, "\nThe same %s deliveries/s from fewer or more publishes\n", count(r.Demand.Deliveries))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "publishes/s\tpartitions\twhole log, of a CPU\tof a NIC\tnodes, readers anywhere\tplaced\t")
	for _, x := range r.Rates {
		fmt.Fprintf(table, "%s\t%d\t%.1f %%\t%.1f %%\t%s\t%s\t\n", count(x.Publishes), x.Partitions, 100*x.TailCPU, 100*x.TailNIC, nodes(x.Unplaced), nodes(x.Placed))
	}
	table.Flush()
}

func nodes(n int) string {
	if n == 0 {
		return "none are enough"
	}
	return fmt.Sprint(n)
}

// printFigure draws what following the whole log takes of what may be used of a node.
func (r report) printFigure(w io.Writer) error {
	const width = 50
	fmt.Fprintf(w, "\nThe whole log, of what may be used of a node (C processor, N network; | is all of it)\n")
	for _, x := range r.Rates {
		for _, bar := range []struct {
			letter string
			of     float64
		}{{"C", x.TailCPU}, {"N", x.TailNIC}} {
			of := bar.of / r.Target.Load
			drawn := int(math.Round(math.Min(of, 1) * width))
			more := ""
			if of > 1 {
				more = " too much"
			}
			if _, err := fmt.Fprintf(w, "%10s %s%s|%s\n", count(x.Publishes), strings.Repeat(bar.letter, drawn), strings.Repeat(" ", width-drawn), more); err != nil {
				return err
			}
		}
	}
	return nil
}

// count writes a number with commas.
func count(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func gbits(n float64) string { return fmt.Sprintf("%.1f Gbit/s", n) }
