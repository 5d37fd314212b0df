// Capacity computes what a cluster has to be for a number of connections and publishes: nodes, streams, memory, bandwidth, and
// where a log in one piece ends. It measures nothing: figures.go has what was measured, and what is assumed.
//
//	go run ./bench/capacity
//	go run ./bench/capacity -connections 1e6 -publishes 20e3 -evented 0 -cores 8 -json
//
// docs/capacity.md reads the output.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(2)
	}
}

func run(args []string, out, usage io.Writer) error {
	t, asJSON, err := parse(args, usage)
	if err != nil {
		return err
	}
	r := t.report()
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	return r.print(out)
}

func parse(args []string, usage io.Writer) (t target, asJSON bool, err error) {
	flags := flag.NewFlagSet("capacity", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Float64Var(&t.Connections, "connections", 10e6, "connections of all nodes")
	flags.Float64Var(&t.Publishes, "publishes", 1e6, "messages published a second")
	flags.Float64Var(&t.Channels, "channels", 1e6, "channels")
	flags.Float64Var(&t.Readers, "readers-per-channel", 10, "readers of a channel")
	flags.Float64Var(&t.FanOut, "fan-out", -1, "readers that a message has on average; as many as a channel unless said")
	flags.Float64Var(&t.MessageBytes, "message", 200, "bytes of a message's data")
	flags.Float64Var(&t.Evented, "evented", 0.9, "share of links that are evented (plain TCP behind a balancer); the others are TLS")
	flags.Float64Var(&t.Joined, "joined", 0, "share of evented deliveries that share a send with others")
	flags.Float64Var(&t.RetainSeconds, "retain", 600, "seconds that messages are kept")
	flags.Float64Var(&t.Cores, "cores", 16, "cores of a node")
	flags.Float64Var(&t.GiB, "gib", 64, "memory of a node")
	flags.Float64Var(&t.Gbit, "gbit", 10, "network of a node, each way")
	flags.Float64Var(&t.Load, "load", 0.6, "share of a node that may be used")
	flags.Float64Var(&t.MostPerNode, "most-per-node", 1e6, "connections of a node at most: they all come back at once when it is lost")
	flags.IntVar(&t.Spare, "spare", 1, "nodes that may be lost")
	flags.Float64Var(&t.StreamPerSec, "stream", natsBatchedPerStream, fmt.Sprintf("messages that a stream takes a second (single publishes %d, Redis %d)", natsSinglePerStream, redisPerStream))
	flags.Float64Var(&t.StreamReplicas, "replicas", 3, "replicas of a stream")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return t, false, err
	}
	if flags.NArg() > 0 {
		return t, false, fmt.Errorf("%q: only flags are taken", flags.Arg(0))
	}
	if t.FanOut == -1 {
		t.FanOut = t.Readers
	}
	return t, asJSON, t.check()
}
