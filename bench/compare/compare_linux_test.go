package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke/internal/load"
	"github.com/todoke-dev/todoke/internal/load/sequence"
)

func TestParseTarget(t *testing.T) {
	got, err := parseTarget("a@mercure=./hub --port {port}")
	if err != nil || got.name != "a" || got.adapter != "mercure" || !slices.Equal(got.command, []string{"./hub", "--port", "{port}"}) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = parseTarget("b=http://127.0.0.1:3000")
	if err != nil || got.url != "http://127.0.0.1:3000" || got.adapter != "todoke-sse" || got.command != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "a", "a=", "=x", "a@nothing=x"} {
		if _, err := parseTarget(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// found is a summary of two targets, the second twice as fast in every round, and with a fault.
func found() summary {
	p := plan{targets: []target{{name: "bare"}, {name: "<b>&"}}, cases: allCases()[:1], rounds: 3}
	var all []*load.Result
	for round, v := range map[int]float64{1: 100, 2: 300, 3: 200} {
		for i, target := range p.targets {
			r := &load.Result{Scenario: "fanout", Case: "fanout", Target: target.name, Round: round, Readers: 10, Published: 5, Rate: 20, Size: 128, InFlight: 16}
			r.Server = &load.Server{PerCPU: v * float64(i+1)}
			r.Latency = load.Latency{P99: v / 10}
			if i == 1 && round == 2 {
				r.Fault = sequence.Fault{Lost: 2}
			}
			all = append(all, r)
		}
	}
	return summarize(p, all)
}

func TestSummary(t *testing.T) {
	s := found()
	if len(s.Panels) != 2 || len(s.Panels[0].Rows) != 2 {
		t.Fatalf("%+v", s)
	}
	r := s.Panels[0].Rows[1]
	if r.Median != 400 || r.Low != 200 || r.Top != 600 || r.Ratios[0] != 2 || r.Ratios[1] != 1 || r.Faults != "2 lost, 0 duplicated, 0 reordered" {
		t.Errorf("%+v", r)
	}
	var text strings.Builder
	if err := s.write(&text); err != nil || !strings.Contains(text.String(), "2.00 × bare") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("the median is %v", m)
	}
}

// How many publishes were in flight is told with every saturated figure; where targets differ in it, with each of them.
func TestInFlight(t *testing.T) {
	p := plan{targets: []target{{name: "a"}, {name: "b"}}, cases: allCases()[1:2], rounds: 1}
	results := func(first, second int) (all []*load.Result) {
		for i, n := range []int{first, second} {
			r := &load.Result{Case: "saturated", Target: p.targets[i].name, Round: 1, Seconds: 1, Published: 9, Deliveries: 9, InFlight: n}
			r.Server = &load.Server{PerCPU: 1}
			all = append(all, r)
		}
		return all
	}
	same := summarize(p, results(16, 16)).Panels[0]
	if !strings.HasSuffix(same.Load, ", 16 publishes in flight") || same.Rows[1].Label != "b" {
		t.Errorf("%q, %q", same.Load, same.Rows[1].Label)
	}
	differ := summarize(p, results(16, 256)).Panels[0]
	if strings.Contains(differ.Load, "in flight") || differ.Rows[0].Label != "a (16 in flight)" || differ.Rows[1].Label != "b (256 in flight)" {
		t.Errorf("%q, %+v", differ.Load, differ.Rows)
	}
}

// The plot is XML, and what a target is called does not get out of its text.
func TestPlot(t *testing.T) {
	picture := plot(found())
	d := xml.NewDecoder(bytes.NewReader(picture))
	var bars, texts int
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
		if start, ok := token.(xml.StartElement); ok {
			switch start.Name.Local {
			case "rect":
				bars++
			case "text":
				texts++
			case "b":
				t.Error("a target's name became an element")
			}
		}
	}
	if bars != 8 || texts < 14 { // a track and a bar for each of two targets in two panels
		t.Errorf("%d bars, %d texts", bars, texts)
	}
}

func TestReport(t *testing.T) {
	page, err := report(found())
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, want := range []string{"<svg viewBox", "&lt;b&gt;&amp;", "2 lost", "prefers-color-scheme:dark", "width=device-width", "20 messages/s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, not := range []string{"<b>&", "http://", "https://", "<script", "ZgotmplZ"} {
		if strings.Contains(strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, ""), not) {
			t.Errorf("the report has %q", not)
		}
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0123: "0.0123", 0.5: "0.500", 3.14159: "3.14", 99.95: "100.0", 1234: "1234", 56789: "57 k", 4.36e6: "4.36 M"} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

// The whole of it, once: two targets, one of which does not start.
func TestCompare(t *testing.T) {
	p := plan{
		targets: []target{*built["bare"], {name: "broken", adapter: "todoke-sse", command: []string{"false"}}},
		cases:   allCases()[:1], rounds: 2, out: t.TempDir(),
		sizes: sizes{readers: 10, channels: 5, publishers: 2, rate: 100, length: 100 * time.Millisecond},
	}
	for i := range p.targets {
		p.targets[i].build = "" // is built
	}
	var out, progress strings.Builder
	if err := compare(t.Context(), p, &out, &progress); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(progress.String(), "starting broken: it ended") {
		t.Errorf("nothing is said of the target that does not start:\n%s", progress.String())
	}
	text, err := os.ReadFile(filepath.Join(p.out, "results.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		var r load.Result
		if err := json.Unmarshal(line, &r); err != nil || r.Target != "bare" || r.Deliveries == 0 {
			t.Errorf("%v: %s", err, line)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
	for _, name := range []string{"plot.svg", "report.html"} {
		if info, err := os.Stat(filepath.Join(p.out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
