package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/todoke-dev/todoke/internal/load"
)

// compare measures everything and writes it down.
func compare(ctx context.Context, p plan, out, progress io.Writer) (err error) {
	binaries, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(binaries)
	for i := range p.targets {
		if err := p.targets[i].prepare(ctx, binaries); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return err
	}
	lines, err := os.Create(filepath.Join(p.out, "results.jsonl"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	all, err := measure(ctx, p, json.NewEncoder(lines), progress)
	if err != nil {
		return err
	}
	summary := summarize(p, all)
	if err := summary.write(out); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.out, "plot.svg"), plot(summary), 0o644); err != nil {
		return err
	}
	page, err := report(summary)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.out, "report.html"), page, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nwritten: %s/{results.jsonl,plot.svg,report.html}\n", p.out)
	return err
}

// measure runs every case with every target in every round. A run that fails is told, and the others go on.
func measure(ctx context.Context, p plan, lines *json.Encoder, progress io.Writer) (all []*load.Result, err error) {
	n, total := 0, p.rounds*len(p.cases)*len(p.targets)
	for round := 1; round <= p.rounds; round++ {
		for _, c := range p.cases {
			order := slices.Clone(p.targets)
			if round%2 == 0 {
				slices.Reverse(order) // so that none always comes behind the same
			}
			for _, t := range order {
				n++
				fmt.Fprintf(progress, "%d/%d  round %d  %s  %s\n", n, total, round, c.name, t.name)
				r, err := runOne(ctx, c, t, p.sizes)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err != nil {
					fmt.Fprintf(progress, "  %s\n", err)
					continue
				}
				r.Case, r.Target, r.Round = c.name, t.name, round
				if !r.OK() {
					fmt.Fprintf(progress, "  %d lost, %d duplicated, %d reordered, %d refused\n", r.Lost, r.Duplicated, r.Reordered, r.Refused)
				}
				if err := lines.Encode(r); err != nil {
					return nil, err
				}
				all = append(all, r)
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("not one run succeeded")
	}
	return all, nil
}

// runOne measures one case with a fresh server.
func runOne(ctx context.Context, c benchCase, t target, s sizes) (r *load.Result, err error) {
	server, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	config := c.config(s)
	config.URL, config.Adapter, config.Token = server.url, t.adapter, t.token
	if server.pid != 0 {
		config.PIDs = []int{server.pid}
	}
	return load.Run(ctx, config)
}
