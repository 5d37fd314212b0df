package main

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// The measures of a panel, in SVG units. It is as narrow as a phone, so that its text keeps its size there.
const (
	panelWidth  = 400
	rowHeight   = 40
	headHeight  = 58
	barHeight   = 10
	panelMargin = 20
)

// style has the colours of both schemes; the report takes the same names.
const style = `text{font:13px system-ui,sans-serif;fill:var(--ink)}.h{font-weight:600;font-size:15px}.s{fill:var(--soft);font-size:12px}` +
	`.v{text-anchor:end;font-variant-numeric:tabular-nums}.track{fill:var(--track)}.span{stroke:var(--ink);stroke-width:1.5;opacity:.55}.bad{fill:var(--bad);font-size:12px}` +
	`.b0{fill:var(--b0)}.b1{fill:var(--b1)}.b2{fill:var(--b2)}.b3{fill:var(--b3)}.b4{fill:var(--b4)}.b5{fill:var(--b5)}`

const colours = `--ink:#1c2430;--soft:#5b6675;--track:#e9edf2;--bad:#b3261e;--b0:#8a94a3;--b1:#5f6b7c;--b2:#0f7b6c;--b3:#c2803a;--b4:#6c5bb5;--b5:#b5527a`

const darkColours = `--ink:#e8ecf1;--soft:#a3adba;--track:#2a323d;--bad:#ff8a80;--b0:#8893a3;--b1:#b3bdca;--b2:#35c2ac;--b3:#e0a057;--b4:#a292ec;--b5:#e583ab`

// plot draws all panels below each other, as a picture of its own.
func plot(s summary) []byte {
	height := 0
	for _, p := range s.Panels {
		height += p.height() + panelMargin
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Servers compared">`,
		panelWidth+2*panelMargin, height+panelMargin, panelWidth+2*panelMargin, height+panelMargin)
	fmt.Fprintf(&b, `<style>svg{%s;background:#fff}@media(prefers-color-scheme:dark){svg{%s;background:#161b22}}%s</style>`, colours, darkColours, style)
	y := panelMargin
	for _, p := range s.Panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, panelMargin, y)
		p.draw(&b, s.Targets)
		b.WriteString(`</g>`)
		y += p.height() + panelMargin
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// svg draws one panel for the report, which has the style.
func (p panel) svg(targets []string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, panelWidth, p.height(), html.EscapeString(p.Title+": "+p.Metric))
	p.draw(&b, targets)
	b.WriteString(`</svg>`)
	return b.String()
}

func (p panel) height() int { return headHeight + rowHeight*len(p.Rows) }

// draw draws a bar for each target, its median, with a line from the least to the greatest value.
func (p panel) draw(b *bytes.Buffer, targets []string) {
	better := "less is better"
	if p.Higher {
		better = "more is better"
	}
	text(b, 0, 15, "h", p.Title)
	text(b, 0, 34, "", p.Metric+", "+better)
	text(b, 0, 50, "s", p.Load)
	top := 0.0
	for _, r := range p.Rows {
		top = max(top, r.Top)
	}
	scale := func(v float64) float64 {
		if top == 0 {
			return 0
		}
		return v / top * panelWidth
	}
	for i, r := range p.Rows {
		y := headHeight + i*rowHeight
		if r.Faults == "" {
			text(b, 0, y+18, "", r.Label)
		} else {
			text(b, 0, y+18, "bad", r.Label+" · faulty")
		}
		value := p.value(r.Median)
		if i > 0 && p.Rows[0].Target == targets[0] && r.Ratios[0] > 0 {
			value += " · " + times(r.Ratios[0]) + " ×"
		}
		text(b, panelWidth, y+18, "v", value)
		bar := y + 24
		fmt.Fprintf(b, `<rect class="track" x="0" y="%d" width="%d" height="%d" rx="3"/>`, bar, panelWidth, barHeight)
		fmt.Fprintf(b, `<rect class="b%d" x="0" y="%d" width="%.1f" height="%d" rx="3"/>`, colourOf(r.Target, targets), bar, max(2, scale(r.Median)), barHeight)
		if len(r.Values) > 1 {
			middle := float64(bar) + barHeight/2.0
			fmt.Fprintf(b, `<line class="span" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, scale(r.Low), scale(r.Top), middle, middle)
		}
	}
}

// colourOf gives each target a colour that it keeps in all panels.
func colourOf(name string, targets []string) int {
	for i, t := range targets {
		if t == name {
			return i % 6
		}
	}
	return 0
}

func text(b *bytes.Buffer, x, y int, class, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" class="%s">%s</text>`, x, y, class, strings.TrimSpace(html.EscapeString(s)))
}
