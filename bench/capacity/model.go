package main

import (
	"fmt"
	"math"
)

// A target is what the cluster has to carry, and on what.
type target struct {
	Connections   float64 `json:"connections"`
	Publishes     float64 `json:"publishes_per_second"`
	Channels      float64 `json:"channels"`
	Readers       float64 `json:"readers_per_channel"`
	FanOut        float64 `json:"fan_out"` // readers that a message has on average; busy channels may have more than Readers
	MessageBytes  float64 `json:"message_bytes"`
	Evented       float64 `json:"evented"` // share of links that are evented; the others are TLS
	Joined        float64 `json:"joined"`  // share of evented deliveries that go out with others
	RetainSeconds float64 `json:"retain_seconds"`

	Cores          float64 `json:"node_cores"`
	GiB            float64 `json:"node_gib"`
	Gbit           float64 `json:"node_gbit"`
	Load           float64 `json:"load"` // share of a node that may be used
	MostPerNode    float64 `json:"most_connections_per_node"`
	Spare          int     `json:"spare_nodes"`
	StreamPerSec   float64 `json:"stream_per_second"`
	StreamReplicas float64 `json:"stream_replicas"`
}

// check says what of t cannot be.
func (t target) check() error {
	for _, f := range []struct {
		name         string
		value, least float64
		most         float64
	}{
		{"connections", t.Connections, 1, 1e12}, {"publishes", t.Publishes, 1, 1e12}, {"channels", t.Channels, 1, 1e12},
		{"readers-per-channel", t.Readers, 0, 1e12}, {"fan-out", t.FanOut, 0, 1e12}, {"message", t.MessageBytes, 1, 64 << 20},
		{"evented", t.Evented, 0, 1}, {"joined", t.Joined, 0, 1}, {"retain", t.RetainSeconds, 0, 1e9},
		{"cores", t.Cores, 1, 4096}, {"gib", t.GiB, 1, 1 << 20}, {"gbit", t.Gbit, 0.1, 10_000}, {"load", t.Load, 0.05, 1},
		{"most-per-node", t.MostPerNode, 1, 1e9}, {"spare", float64(t.Spare), 0, 1000}, {"stream", t.StreamPerSec, 1, 1e12}, {"replicas", t.StreamReplicas, 1, 5},
	} {
		if !(f.value >= f.least && f.value <= f.most) {
			return fmt.Errorf("-%s %g: from %g to %g", f.name, f.value, f.least, f.most)
		}
	}
	return nil
}

// A demand is what all nodes together do for the target, wherever readers are; following the log comes on top.
type demand struct {
	Deliveries    float64 `json:"deliveries_per_second"`
	DeliveryCores float64 `json:"delivery_cores"`
	AliveCores    float64 `json:"keep_alive_cores"`
	PublishCores  float64 `json:"publish_cores"`
	OutGbit       float64 `json:"out_gbit"`
	InGbit        float64 `json:"publish_in_gbit"`
	LinkGiB       float64 `json:"link_gib"`
	LogGbit       float64 `json:"log_gbit"` // the whole log once, as a node that follows it receives it
	StoredGiB     float64 `json:"stored_gib"`
}

const (
	gib  = 1 << 30
	gbit = 1e9 / 8 // bytes
)

func (t target) demand() demand {
	deliveries, alive := t.Publishes*t.FanOut, t.Connections/keepAliveSeconds
	// processor time of a delivery that has a send to itself; a keep-alive is one.
	alone := t.Evented/deliveriesPerCPU + (1-t.Evented)/tlsDeliveriesPerCPU
	each := t.Evented*(t.Joined/joinedDeliveriesPerCPU+(1-t.Joined)/deliveriesPerCPU) + (1-t.Evented)/tlsDeliveriesPerCPU
	packets := packetBytes * (1 - t.Evented*t.Joined)
	return demand{
		Deliveries:    deliveries,
		DeliveryCores: deliveries * each,
		AliveCores:    alive * alone,
		PublishCores:  t.Publishes * publishCPUSeconds,
		OutGbit:       (deliveries*(t.MessageBytes+frameBytes+packets) + alive*(keepAliveBytes+packetBytes)) / gbit,
		InGbit:        t.Publishes * (t.MessageBytes + requestBytes) / gbit,
		LinkGiB:       t.Connections * (kernelSocketBytes + t.Evented*idleEventedBytes + (1-t.Evented)*idleTLSBytes) / gib,
		LogGbit:       t.Publishes * (t.MessageBytes + tailOverheadBytes) / gbit,
		StoredGiB:     t.Publishes * t.RetainSeconds * (t.MessageBytes + storedOverheadBytes) * t.StreamReplicas / gib,
	}
}

// A plan is a cluster of so many partitions and nodes. Why says what makes it impossible; empty: it fits.
type plan struct {
	Partitions int     `json:"partitions"`
	Placed     bool    `json:"placed"` // readers are on nodes that follow their partitions; else on any, and each follows all
	Nodes      int     `json:"nodes"`
	Why        string  `json:"why_not,omitempty"`
	Binds      string  `json:"binds,omitempty"` // what of a node is full first
	Share      float64 `json:"share_of_log"`    // of the log, what a node follows
	TailCPU    float64 `json:"tail_of_cpu"`     // following it, of a whole node
	TailNIC    float64 `json:"tail_of_nic"`
	NodeGbit   float64 `json:"node_out_gbit"`
	NodeGiB    float64 `json:"node_gib"`

	Streams        int     `json:"stream_replicas"`
	EngineGbit     float64 `json:"engine_out_gbit"`
	EngineServers  int     `json:"engine_servers"`
	StreamGbit     float64 `json:"stream_out_gbit"` // of one stream's leader, to its followers and replicas
	PerStream      float64 `json:"publishes_per_stream"`
	PerStreamShare float64 `json:"of_what_a_stream_takes"`
}

// mostNodes ends the search.
const mostNodes = 20_000

// plan finds the fewest nodes that carry the target with so many partitions.
func (t target) plan(partitions int, placed bool) plan {
	p := plan{Partitions: partitions, Placed: placed, PerStream: t.Publishes / float64(partitions), Share: 1}
	p.PerStreamShare = p.PerStream / t.StreamPerSec
	p.Streams = partitions * int(t.StreamReplicas)
	switch {
	case partitions > mostPartitions:
		p.Why = "a position has room for " + count(mostPartitions) + " partitions"
	case p.PerStream > t.StreamPerSec:
		p.Why = "a stream takes " + count(t.StreamPerSec) + "/s"
	case p.PerStream > tailPerCPU:
		p.Why = "a tail brings " + count(tailPerCPU) + "/s"
	}
	d := t.demand()
	for nodes := 1; nodes <= mostNodes; nodes++ {
		load, binds := t.node(d, p, nodes)
		if binds.of > 1 {
			p.Binds = binds.what
			continue
		}
		if p.Binds == "" {
			p.Binds = binds.what
		}
		load.Binds, load.Nodes = p.Binds, nodes+t.Spare
		return t.engine(load)
	}
	if p.Why == "" {
		p.Why = "no node has room beside the log"
	}
	p.TailCPU, p.TailNIC = t.tail(d, p.Share)
	return p
}

// A bind is what of a node is fullest, of what may be used.
type bind struct {
	what string
	of   float64
}

// node is p with nodes nodes: what each has to carry.
func (t target) node(d demand, p plan, nodes int) (plan, bind) {
	n := float64(nodes)
	followers := n // nodes that follow one partition
	if p.Placed {
		each := math.Ceil(float64(p.Partitions) / n)
		p.Share = each / float64(p.Partitions)
		followers = n * p.Share
	}
	p.TailCPU, p.TailNIC = t.tail(d, p.Share)
	// of the channels of its share, those with a reader here: one of r readers comes to this one of f nodes with 1-(1-1/f)^r
	topics := t.Channels * p.Share * (1 - math.Pow(1-1/followers, t.Readers))
	p.NodeGbit = d.OutGbit / n
	p.NodeGiB = d.LinkGiB/n + topics*(channelBytes+tailMessages*(heldMessageBytes+t.MessageBytes))/gib
	fullest := bind{"connections", t.Connections / n / t.MostPerNode}
	for _, b := range []bind{
		{"processor", ((d.DeliveryCores+d.AliveCores+d.PublishCores)/n/t.Cores + p.TailCPU) / t.Load},
		{"network, out", p.NodeGbit / t.Gbit / t.Load},
		{"network, in", (d.InGbit/n/t.Gbit + p.TailNIC) / t.Load},
		{"memory", p.NodeGiB / t.GiB / t.Load},
	} {
		if b.of > fullest.of {
			fullest = b
		}
	}
	return p, fullest
}

// tail is what following a share of the log takes of a whole node.
func (t target) tail(d demand, share float64) (cpu, nic float64) {
	return share * t.Publishes / tailPerCPU / t.Cores, share * d.LogGbit / t.Gbit
}

// engine fills in what the engine's servers, machines like the nodes, have to do for the plan's nodes.
func (t target) engine(p plan) plan {
	log := t.demand().LogGbit
	followers := float64(p.Nodes) * p.Share
	p.EngineGbit = log * (followers + t.StreamReplicas - 1)
	p.StreamGbit = p.EngineGbit / float64(p.Partitions)
	servers := math.Max(float64(p.Partitions)*coresPerStream/t.Cores, p.EngineGbit/t.Gbit) / t.Load
	p.EngineServers = int(math.Max(math.Ceil(servers), t.StreamReplicas))
	if p.StreamGbit > t.Gbit*t.Load && p.Why == "" {
		p.Why = "a stream's leader sends " + gbits(p.StreamGbit)
	}
	return p
}
