package adapter

import "bytes"

// A Mark is a value that a reader remembers: what stands between Before and the first byte of End.
type Mark struct {
	Before string
	End    string
}

// Last finds the last value of the mark in text, or none.
func (m Mark) Last(text []byte) (value []byte, ok bool) {
	for len(text) > 0 {
		i := bytes.LastIndex(text, []byte(m.Before))
		if i < 0 {
			return nil, false
		}
		rest := text[i+len(m.Before):]
		if n := bytes.IndexAny(rest, m.End); n >= 0 {
			return rest[:n], true
		}
		text = text[:i]
	}
	return nil, false
}

// eventID is the mark of SSE.
var eventID = []Mark{{Before: "\nid: ", End: "\n"}}
