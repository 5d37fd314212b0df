// Compare measures servers side by side in one run: each case with each target in turn, round after round, so that what
// disturbs the machine disturbs them all. It starts and stops the servers itself, each run with a fresh process, and writes JSON
// lines, a plot and a report; it prints medians, and ratios of each to each.
//
//	go run ./bench/compare -rounds 3 -for 3s
//	go run ./bench/compare -cases fanout,idle -target 'other@todoke-sse=./other --port {port}' -target 'running@mercure=http://127.0.0.1:3000'
//
// A target is NAME[@ADAPTER]=COMMAND or NAME[@ADAPTER]=URL. In a command {port} becomes a free port of 127.0.0.1. The commands
// run without a shell. Linux only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

// A plan is what the command line asks for.
type plan struct {
	targets []target
	cases   []benchCase
	rounds  int
	out     string
	sizes   sizes
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	}
	if err := compare(ctx, p, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func parse(args []string) (p plan, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	var names string
	var only bool
	var tokens = map[string]string{}
	flags.IntVar(&p.sizes.readers, "readers", 1000, "readers of the fan-out, idle, connect and storm cases")
	flags.IntVar(&p.sizes.channels, "channels", 250, "channels of the channels case, with 8 readers each")
	flags.IntVar(&p.sizes.publishers, "publishers", 16, "connections that publish")
	flags.IntVar(&p.sizes.depth, "depth", 1, "messages in flight on each of them, where it is no HTTP/1.1")
	flags.Float64Var(&p.sizes.rate, "rate", 20, "messages a second of the modest fan-out")
	flags.DurationVar(&p.sizes.length, "for", 3*time.Second, "how long each run publishes")
	flags.IntVar(&p.rounds, "rounds", 3, "how often everything is measured")
	flags.StringVar(&p.out, "out", "bench/results", "the folder for results.jsonl, plot.svg and report.html")
	flags.StringVar(&names, "cases", "", "which cases, with commas between them: "+strings.Join(caseNames(), ", ")+" (the first six)")
	flags.BoolVar(&only, "only", false, "measure only the targets that are given")
	flags.Func("target", "another target: NAME[@ADAPTER]=COMMAND or URL", func(text string) error {
		t, err := parseTarget(text)
		p.targets = append(p.targets, t)
		return err
	})
	flags.Func("token", "for a target's adapter: NAME=TOKEN", func(text string) error {
		name, token, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("%q: write NAME=TOKEN", text)
		}
		tokens[name] = token
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if !only {
		p.targets = append(ours(), p.targets...)
	}
	for i := range p.targets {
		p.targets[i].token = tokens[p.targets[i].name]
	}
	if len(p.targets) == 0 || p.rounds < 1 || flags.NArg() > 0 {
		return p, fmt.Errorf("there is nothing to measure: give targets, at least one round, and no arguments beside flags")
	}
	p.cases, err = casesOf(names)
	return p, err
}
