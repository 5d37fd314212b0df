package main

import (
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func TestPrintNodes(t *testing.T) {
	began := time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)
	var b strings.Builder
	err := printNodes(&b, "b", []todoke.Node{
		{ID: "a", Address: "http://10.0.0.7:7070", Version: "v1\x1b[2J", Started: began, Readers: 1207},
		{ID: "b", Started: began.Add(time.Hour), Draining: true},
	}, began.Add(90*time.Second+5))
	want := `NODE  ADDRESS               VERSION    UP     READERS  STATE
a     http://10.0.0.7:7070  v1\x1b[2J  1m30s  1207     serving
b*    -                     -          0s     0        draining
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, &b, want)
	}
}
