//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke/test/faults/check"
	"github.com/todoke-dev/todoke/test/faults/history"
)

// A few rounds on each engine, of the faults that have most to do; make faults plays all of them, often.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: -short")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	o := options{dir: t.TempDir(), seed: uint64(time.Now().UnixNano()), load: 600 * time.Millisecond, hold: 600 * time.Millisecond}
	o.engines = []string{"memory", "nats", "nats-server", "redis"}
	programs, err := build(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d", o.seed)
	for _, part := range []struct {
		engine string
		faults []string
	}{
		{"memory", []string{"kill-node", "cut"}},
		{"nats", []string{"kill-node", "half-open"}},
		{"nats-server", []string{"kill-engine", "stop-node"}},
		{"redis", []string{"kill-engine", "kill-node", "engine-cut"}},
	} {
		t.Run(part.engine, func(t *testing.T) {
			if why := programs.missing(part.engine); why != "" {
				if os.Getenv("CI") == "true" {
					t.Fatal(why)
				}
				t.Skip("left out: " + why)
			}
			o := o
			o.faults, o.rounds = part.faults, len(part.faults)
			var out bytes.Buffer
			verdict, err := perform(ctx, o, part.engine, programs, screen{out: &out})
			if err == nil {
				err = report(&out, part.engine, verdict)
			}
			t.Logf("%s", &out)
			if err != nil {
				t.Fatal(err)
			}
			if verdict.Rounds != o.rounds || verdict.Acknowledged < 20 || verdict.Delivered < verdict.Acknowledged {
				t.Errorf("too little happened: %+v", verdict)
			}
			if part.engine == "memory" {
				isSeen(t, filepath.Join(o.dir, "memory.jsonl"))
			}
		})
	}
}

// isSeen proves on a real history that the fault struck and that the checker would have found what todoke said of it, or did not.
func isSeen(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	events, err := history.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := recheck(path, &bytes.Buffer{}); err != nil {
		t.Errorf("the saved history is not the one that was checked: %v", err)
	}
	unexplained := slices.Clone(events)
	for i := range unexplained {
		unexplained[i].Explains = false
	}
	if v := check.Check(unexplained); v.Count(check.Gap) < readers {
		t.Errorf("a killed memory engine told %d gaps to %d readers", v.Count(check.Gap), readers)
	}
	silent := slices.DeleteFunc(slices.Clone(events), func(e history.Event) bool { return e.Kind == history.Gap })
	if v := check.Check(silent); v.Count(check.Lost) == 0 {
		t.Error("the loss of the log is not found when the readers are not told of it")
	}
	half := slices.DeleteFunc(slices.Clone(events), func(e history.Event) bool {
		return e.Kind == history.Message && e.Who == "r1" && e.Publisher == marker
	})
	if v := check.Check(half); v.Count(check.Lost) == 0 {
		t.Error("messages that did not come are not found")
	}
}

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                                      "",
		"-engine redis,memory -fault cut,delay": "",
		"-engine mysql":                         "-engine mysql: it is none of",
		"-fault flood":                          "-fault flood: it is none of",
		"-rounds 0":                             "-rounds is at least 1",
		"-hold 1ms":                             "-hold 10ms",
		"-what":                                 "not defined",
	} {
		_, err := parse(strings.Fields(args), &bytes.Buffer{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestRecheckRefusesWhatIsNoHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	if err := os.WriteFile(path, []byte("{\"kind\":\"round\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := recheck(path, &bytes.Buffer{}); err == nil {
		t.Error("a history without its first line was taken")
	}
}
