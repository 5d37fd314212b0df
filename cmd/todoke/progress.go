package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	progressFrom  = 1 << 20 // of smaller inputs there is nothing to see
	progressEvery = 100 * time.Millisecond
	progressWidth = 30
)

// A progress is a bar on a terminal; on anything else, and for inputs that are short or of unknown size, it is nothing.
type progress struct {
	out   io.Writer // nil: nothing is drawn
	done  int64
	size  int64
	last  time.Time
	drawn bool
}

func newProgress(out io.Writer, size int64) *progress {
	if size < progressFrom || !isTerminal(out) {
		return &progress{}
	}
	return &progress{out: out, size: size}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) add(n int) { p.done += int64(n) }

// draw draws the bar, not too often.
func (p *progress) draw() {
	if p.out == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last, p.drawn = time.Now(), true
	share := min(1, float64(p.done)/float64(p.size))
	full := int(share * progressWidth)
	fmt.Fprintf(p.out, "\r[%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), share*100)
}

// clear takes the bar away, so that a line can be printed.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K") // ECMA-48 §8.3.41: erase to the end of the line
		p.drawn, p.last = false, time.Time{}
	}
}
