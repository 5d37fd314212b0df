package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke/internal/load"
)

func TestBench(t *testing.T) {
	server, url := serve(t)
	p := launch(t, []string{"TODOKE_URL=" + url}, "", "bench", "fanout", "--readers", "10", "--rate", "100", "--for", "200ms", "--warmup", "10ms", "--json")
	if exit := p.end(t); exit != exitDone {
		t.Fatalf("exit %d\n%s", exit, &p.err)
	}
	var r load.Result
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil || strings.Count(p.out.String(), "\n") != 1 {
		t.Fatalf("%v: it is one line of JSON:\n%s", err, &p.out)
	}
	if r.Readers != 10 || r.Published != 20 || r.Deliveries != 200 || !r.OK() || r.Latency.Max <= 0 {
		t.Errorf("%+v", r)
	}
	if r.Server == nil || r.Server.PIDs[0] != server.Process.Pid {
		t.Errorf("it measured %+v, not process %d", r.Server, server.Process.Pid)
	}
	if p.err.String() != "" {
		t.Errorf("it wrote to a standard error that is no terminal:\n%s", &p.err)
	}

	p = launch(t, nil, "", "bench", "publish", "--url", url, "--adapter", "todoke-session", "--publishers", "2", "--depth", "8", "--for", "100ms")
	if exit := p.end(t); exit != exitDone || !strings.Contains(p.out.String(), "saturated by 16 in flight (2 publishers × 8)") {
		t.Errorf("exit %d\n%s%s", exit, &p.out, &p.err)
	}
}

func TestBenchMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{nil, exitUsage, "which scenario?"},
		{[]string{"nothing"}, exitUsage, "there are fanout, channels"},
		{[]string{"fanout", "--rate", "1", "--saturated"}, exitUsage, "choose one"},
		{[]string{"fanout", "--size", "3"}, exitUsage, "at least 49 bytes"},
		{[]string{"fanout", "--adapter", "nothing"}, exitUsage, "todoke-sse, todoke-ws"},
		{[]string{"fanout", "--url", "http://127.0.0.1:1"}, exitFailure, "connection refused"},
	} {
		p := launch(t, nil, "", append([]string{"bench"}, c.args...)...)
		if exit := p.end(t); exit != c.exit || !strings.Contains(p.err.String(), c.says) {
			t.Errorf("%v: exit %d, want %d, and %q in\n%s", c.args, exit, c.exit, c.says, &p.err)
		}
	}
}
