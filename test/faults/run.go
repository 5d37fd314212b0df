//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/todoke-dev/todoke/test/faults/check"
	"github.com/todoke-dev/todoke/test/faults/history"
	"github.com/todoke-dev/todoke/test/faults/stage"
)

// run plays on each engine in turn, and says at the end what was found.
func run(ctx context.Context, o options, s screen) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "todoke-faults-")
		if err != nil {
			return err
		}
		o.dir = dir
	}
	fmt.Fprintf(s.out, "faults: %d rounds on each of %s, seed %d; histories in %s\n", o.rounds, strings.Join(o.engines, ", "), o.seed, o.dir)
	programs, err := build(ctx, o)
	if err != nil {
		return err
	}
	var found error
	var verdicts []func() error // at the end, together
	for _, engine := range o.engines {
		if why := programs.missing(engine); why != "" {
			fmt.Fprintf(s.out, "%s: left out: %s\n", engine, why)
			if os.Getenv("CI") == "true" {
				found = errors.Join(found, fmt.Errorf("%s: %s", engine, why))
			}
			continue
		}
		verdict, err := perform(ctx, o, engine, programs, s)
		if err != nil {
			found = errors.Join(found, fmt.Errorf("%s: %w", engine, err))
			break
		}
		verdicts = append(verdicts, func() error { return report(s.out, engine, verdict) })
	}
	for _, say := range verdicts {
		found = errors.Join(found, say())
	}
	if o.keep {
		return found
	}
	// Histories stay, and the servers' logs where something was found.
	rubbish := []string{programs.dir}
	if found == nil {
		for _, engine := range o.engines {
			rubbish = append(rubbish, filepath.Join(o.dir, engine))
		}
	}
	for _, dir := range rubbish {
		found = errors.Join(found, os.RemoveAll(dir))
	}
	return found
}

// programs are what the stage starts.
type programs struct{ dir, todoke, natsServer, redis string }

func (p programs) missing(engine string) string {
	if engine == "redis" && p.redis == "" {
		return "redis-server is missing (apt-get install redis-server)"
	}
	return ""
}

// build makes what can be made of this module: the node, and the NATS server that is embedded in it, as a program of its own.
func build(ctx context.Context, o options) (p programs, err error) {
	p.dir = filepath.Join(o.dir, "bin")
	make := func(name, pkg string) (string, error) {
		path := filepath.Join(p.dir, name)
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return path, nil
	}
	if p.todoke, err = make("todoke", "github.com/todoke-dev/todoke/cmd/todoke"); err != nil {
		return p, err
	}
	if slices.Contains(o.engines, "nats-server") {
		if p.natsServer, err = make("nats-server", "github.com/nats-io/nats-server/v2"); err != nil {
			return p, err
		}
	}
	p.redis, _ = exec.LookPath("redis-server") // without one, redis is left out
	return p, nil
}

// perform plays all rounds on one engine. The history is saved whatever happens.
func perform(ctx context.Context, o options, engine string, programs programs, s screen) (verdict check.Verdict, err error) {
	path := filepath.Join(o.dir, engine+".jsonl")
	file, err := os.Create(path)
	if err != nil {
		return verdict, err
	}
	defer file.Close()
	record := history.NewRecorder(file)
	defer func() { err = errors.Join(err, record.Flush()) }()
	record.Add(history.Event{Kind: history.Run, Engine: engine, Seed: o.seed})

	dir := filepath.Join(o.dir, engine)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return verdict, err
	}
	st, err := stage.New(ctx, stage.Options{
		Engine: engine, Dir: dir, Todoke: programs.todoke, NATSServer: programs.natsServer, Redis: programs.redis,
		Exited: func(name, why string) { record.Add(history.Event{Kind: history.Exited, Who: name, Text: why}) },
	})
	defer func() { err = errors.Join(err, st.Close()) }()
	if err != nil {
		return verdict, err
	}
	p, err := newPlay(o, engine, st, record)
	if err != nil {
		return verdict, err
	}
	if st.NoDisk != "" && o.wants("disk-full") {
		fmt.Fprintf(s.out, "%s: disk-full left out: %s\n", engine, st.NoDisk)
	}
	if len(p.faults) == 0 {
		fmt.Fprintf(s.out, "%s: left out: %s cannot be done to it\n", engine, strings.Join(o.faults, ", "))
		return verdict, nil
	}
	if err := p.rounds(ctx, s); err != nil {
		return verdict, fmt.Errorf("%w; seed %d, history %s", err, o.seed, path)
	}
	verdict = check.Check(record.Events())
	if len(verdict.Violations) > 0 {
		fmt.Fprintf(s.out, "%s: seed %d, history %s, logs %s\n", engine, o.seed, path, dir)
	}
	return verdict, nil
}

// rounds plays them, and stops at the first in which somebody was stuck: the next would only tell of the same.
func (p *play) rounds(ctx context.Context, s screen) error {
	for n := 1; n <= p.o.rounds; n++ {
		out, err := p.round(ctx, n)
		if err != nil {
			return err
		}
		s.progress(fmt.Sprintf("%s %d/%d: %s after %d ms for %d ms%s; settled in %d ms", p.engine, n, p.o.rounds, out.fault, out.after.Milliseconds(),
			out.hold.Milliseconds(), out.text, out.settled.Milliseconds()), n == p.o.rounds || out.stuck > 0)
		if out.stuck > 0 {
			return nil
		}
	}
	return nil
}

// mostShown bounds the violations that are printed; the history has all.
const mostShown = 20

// report prints a verdict; its error is errBroken if a promise was broken.
func report(out io.Writer, engine string, v check.Verdict) error {
	for i, violation := range v.Violations {
		if i == mostShown {
			fmt.Fprintf(out, "  … and %d more\n", len(v.Violations)-i)
			break
		}
		fmt.Fprintf(out, "  %s\n", violation)
	}
	fmt.Fprintf(out, "%s: rounds %d, acknowledged %d, delivered %d, resumed %d, gaps %d, streams that gave up %d: lost %d, duplicated %d, reordered %d, unexplained gaps %d",
		engine, v.Rounds, v.Acknowledged, v.Delivered, v.Resumed, v.Gaps, v.Failed,
		v.Count(check.Lost), v.Count(check.Duplicated), v.Count(check.Reordered), v.Count(check.Gap))
	if n := v.Count(check.Broken); n > 0 {
		fmt.Fprintf(out, ", broken %d", n)
	}
	fmt.Fprintln(out)
	if len(v.Violations) > 0 {
		return fmt.Errorf("%s: %w", engine, errBroken)
	}
	return nil
}

// A screen is where progress goes: one line that changes on a terminal, elsewhere a line for each round.
type screen struct {
	out      io.Writer
	terminal bool
}

func (s screen) progress(line string, last bool) {
	switch {
	case !s.terminal:
		fmt.Fprintln(s.out, line)
	case last:
		fmt.Fprintf(s.out, "\r\x1b[K%s\n", line)
	default:
		fmt.Fprintf(s.out, "\r\x1b[K%s", line)
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
