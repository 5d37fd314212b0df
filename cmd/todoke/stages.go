package main

import (
	"fmt"
	"io"
	"time"
)

// A stages shows on a terminal what a run is doing; on anything else it is nothing.
type stages struct {
	out  io.Writer // nil: nothing is shown
	last time.Time
}

func newStages(out io.Writer) *stages {
	if !isTerminal(out) {
		return &stages{}
	}
	return &stages{out: out}
}

// show is called very often, and draws ten times a second.
func (s *stages) show(stage string, done, total int64) {
	if s.out == nil || time.Since(s.last) < progressEvery {
		return
	}
	s.last = time.Now()
	share := ""
	if total > 0 {
		share = fmt.Sprintf(" %3.0f %%", 100*min(1, float64(done)/float64(total)))
	}
	fmt.Fprintf(s.out, "\r\x1b[K%s%s", stage, share)
}

func (s *stages) clear() {
	if s.out != nil {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
}
