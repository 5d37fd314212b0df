//go:build unix

// Faults kills, stops, cuts and fills what todoke runs on, while clients publish and read over every transport, and then checks that
// every acknowledged message came to every reader once and in order, or was told as a gap that the fault explains. The servers are real
// ones, in processes of their own, on loopback. docs/faults.md tells how, and how to read a history.
//
//	go run ./test/faults -engine redis -rounds 50
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/todoke-dev/todoke/test/faults/check"
	"github.com/todoke-dev/todoke/test/faults/history"
	"github.com/todoke-dev/todoke/test/faults/stage"
)

type options struct {
	engines []string
	rounds  int
	seed    uint64
	faults  []string // none: all
	load    time.Duration
	hold    time.Duration
	keep    bool
	dir     string
	file    string
}

// errBroken: the harness worked, and found something.
var errBroken = errors.New("the guarantees did not hold")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil && o.file != "" {
		err = recheck(o.file, os.Stdout)
	} else if err == nil {
		err = run(ctx, o, screen{out: os.Stdout, terminal: isTerminal(os.Stdout)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func parse(args []string, complaints io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(complaints)
	engine := flags.String("engine", "all", "all, or some of "+strings.Join(stage.Engines, ",")+" (nats is in the node)")
	flags.IntVar(&o.rounds, "rounds", 50, "faults for each engine")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what everything random comes from")
	fault := flags.String("fault", "all", "all, or some of "+strings.Join(faultNames(), ","))
	flags.DurationVar(&o.load, "for", 2*time.Second, "how long a round publishes, at least")
	flags.DurationVar(&o.hold, "hold", 1500*time.Millisecond, "how long a fault lasts, at most; 10s and more finds what only a long one shows")
	flags.BoolVar(&o.keep, "keep", false, "keep the servers' logs and the programs also when all is well; histories always stay")
	flags.StringVar(&o.dir, "dir", "", "where histories and logs go (default: a new directory among the temporary ones)")
	flags.StringVar(&o.file, "check", "", "run nothing; check this saved history again")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.engines = strings.Split(*engine, ",")
	if *engine == "all" {
		o.engines = stage.Engines
	}
	for _, e := range o.engines {
		if !slices.Contains(stage.Engines, e) {
			return o, fmt.Errorf("-engine %s: it is none of all, %s", e, strings.Join(stage.Engines, ", "))
		}
	}
	if *fault != "all" {
		o.faults = strings.Split(*fault, ",")
	}
	for _, name := range o.faults {
		if !slices.Contains(faultNames(), name) {
			return o, fmt.Errorf("-fault %s: it is none of all, %s", name, strings.Join(faultNames(), ", "))
		}
	}
	if o.rounds < 1 || o.load < 100*time.Millisecond || o.hold < 10*time.Millisecond {
		return o, errors.New("-rounds is at least 1, -for 100ms, -hold 10ms")
	}
	return o, nil
}

// wants reports whether the fault was asked for.
func (o options) wants(name string) bool {
	return len(o.faults) == 0 || slices.Contains(o.faults, name)
}

func faultNames() (names []string) {
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

// recheck reads a history and says what it shows.
func recheck(path string, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	events, err := history.Read(f)
	if err != nil {
		return err
	}
	if len(events) == 0 || events[0].Kind != history.Run {
		return fmt.Errorf("%s is no history: its first line is not of kind %q", path, history.Run)
	}
	return report(out, events[0].Engine, check.Check(events))
}
