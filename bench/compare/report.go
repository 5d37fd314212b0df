package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed report.html.tmpl
var page string

// report makes one page that needs nothing else.
func report(s summary) ([]byte, error) {
	t, err := template.New("report").Funcs(template.FuncMap{
		"svg":    func(p panel) template.HTML { return template.HTML(p.svg(s.Targets)) }, // draw escapes what it is given
		"figure": figure,
		"times":  times,
		"value":  panel.value,
	}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("reading the report's template: %w", err)
	}
	var b bytes.Buffer
	data := struct {
		summary
		Style template.CSS
		Light template.CSS
		Dark  template.CSS
	}{s, style, colours, darkColours}
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return b.Bytes(), nil
}
