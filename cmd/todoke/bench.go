package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/todoke-dev/todoke/internal/load"
	"github.com/todoke-dev/todoke/internal/load/adapter"
)

// errUnsound ends bench when a run shows that a guarantee did not hold.
var errUnsound = errors.New("messages were lost, duplicated, reordered or refused; the result says how many")

// A bench is what the command line of bench says.
type bench struct {
	t         terminal
	config    load.Config
	saturated bool
	json      bool
}

func benchCommand(t terminal) *cobra.Command {
	b := &bench{t: t}
	cmd := &cobra.Command{
		Use:   "bench SCENARIO",
		Short: "Measure a server under load",
		Long: `Drive a server as many clients would, and print latencies, the server's processor time and memory, and whether any
message was lost, duplicated or reordered. It needs Linux, and the server's process on this machine for figures of it.

Latency counts from when a message was to be sent. With --saturated each publisher sends when its last message was answered;
such figures hang on how many are in flight (--publishers times --depth), so they are printed with it.

The scenarios, and what they do without flags:
` + scenarioList() + `
The adapters (--adapter), for servers that already run:
` + adapterList(),
		Example: `  todoke serve --dev                                        # in one terminal
  todoke bench fanout                                       # in another: 1,000 readers, 20 messages/s
  todoke bench fanout --readers 8000 --saturated --publishers 16
  todoke bench channels --channels 1000 --readers 8000 --saturated --json
  todoke bench publish --adapter todoke-session --depth 64 --saturated
  todoke bench idle --readers 15000 --for 10s --adapter todoke-ws
  todoke bench fanout --adapter centrifugo-ws --url http://127.0.0.1:8000 --token API_KEY`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("which scenario? Write: todoke bench SCENARIO")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd.Context(), args[0]) },
	}
	b.add(cmd.Flags())
	return cmd
}

func (b *bench) add(flags *pflag.FlagSet) {
	c := &b.config
	flags.StringVar(&c.URL, "url", b.t.lookup("TODOKE_URL", "http://127.0.0.1:7070"), "the server, also TODOKE_URL")
	flags.StringVar(&c.Adapter, "adapter", "todoke-sse", "how it is spoken to")
	flags.StringVar(&c.Other, "adapter-other", "", "how every second reader of a channel speaks to it")
	flags.StringVar(&c.Token, "token", "", "for adapters that need one")
	flags.IntSliceVar(&c.PIDs, "pid", nil, "the server's processes (the one that listens on the port)")
	flags.IntVar(&c.Readers, "readers", 0, "readers in all")
	flags.IntVar(&c.Channels, "channels", 0, "channels; the readers are spread over them")
	flags.IntVar(&c.Publishers, "publishers", 0, "connections that publish (16)")
	flags.IntVar(&c.Depth, "depth", 0, "messages in flight on each, where it is no HTTP/1.1 (1)")
	flags.Float64Var(&c.Rate, "rate", 0, "messages a second over all channels")
	flags.BoolVar(&b.saturated, "saturated", false, "as many as the publishers can, instead of a rate")
	flags.IntVar(&c.Size, "size", 0, "bytes of a message (128)")
	flags.DurationVar(&c.For, "for", 0, "how long (5s)")
	flags.DurationVar(&c.Warmup, "warmup", 0, "how long before it counts")
	flags.IntVar(&c.Missed, "missed", 0, "storm: messages that each reader misses")
	flags.Float64Var(&c.Slow, "slow", 0, "slow: the share of readers that stop")
	flags.IntVar(&c.Connecting, "connecting", 0, "connections that are opened at a time (256; storm: 2,000)")
	flags.BoolVar(&b.json, "json", false, "print one line of JSON")
	flags.SortFlags = false
}

func (b *bench) run(ctx context.Context, scenario string) error {
	b.config.Scenario, b.config.Saturated = scenario, b.saturated
	if b.saturated && b.config.Rate > 0 {
		return usagef("--rate and --saturated: choose one")
	}
	bar := newStages(b.t.err)
	b.config.Progress = bar.show
	result, err := load.Run(ctx, b.config)
	bar.clear()
	switch {
	case errors.Is(err, load.ErrConfig):
		return usageError{err}
	case err != nil:
		return err
	case b.json:
		err = json.NewEncoder(b.t.out).Encode(result)
	default:
		err = result.Write(b.t.out)
	}
	if err == nil && !result.OK() {
		err = errUnsound
	}
	return err
}

func scenarioList() string {
	var b strings.Builder
	for _, s := range load.Scenarios() {
		fmt.Fprintf(&b, "  %-10s %s%s\n", s.Name, s.About, defaultsOf(s.Defaults))
	}
	return b.String()
}

func defaultsOf(d load.Config) string {
	var parts []string
	add := func(format string, value any, there bool) {
		if there {
			parts = append(parts, fmt.Sprintf(format, value))
		}
	}
	add("%d readers", d.Readers, d.Readers > 0)
	add("%d channels", d.Channels, d.Channels > 1)
	add("%g messages/s", d.Rate, d.Rate > 0)
	add("%d missed", d.Missed, d.Missed > 0)
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func adapterList() string {
	var b strings.Builder
	for _, a := range adapter.All() {
		fmt.Fprintf(&b, "  %-18s %s\n", a.Name, a.About)
	}
	return b.String()
}
