package load

import (
	"bytes"
	"strings"

	"github.com/todoke-dev/todoke/internal/load/adapter"
)

// A track is what a reader keeps that may resume. Such a reader counts a message only when its event is complete, as a browser does:
// one that is cut in an event gets it again.
type track struct {
	pending []byte // the beginning of an event
	at      []string
	gapped  bool
}

// values remembers the newest value of each mark.
func (t *track) values(link *adapter.Link, text []byte) {
	for i, m := range link.Marks {
		value, ok := m.Last(text)
		if !ok && bytes.HasPrefix(text, []byte(strings.TrimPrefix(m.Before, "\n"))) {
			// A mark that begins a line, in the first line of the text.
			value, ok = m.Last(append([]byte("\n"), text...))
		}
		if !ok {
			continue
		}
		for len(t.at) <= i {
			t.at = append(t.at, "")
		}
		if t.at[i] != string(value) {
			t.at[i] = string(value)
		}
	}
}

// where is what the reader resumes with; nil where it knows nothing yet.
func (t *track) where(link *adapter.Link) []string {
	if len(t.at) < len(link.Marks) || len(link.Marks) == 0 {
		return nil
	}
	for _, v := range t.at {
		if v == "" {
			return nil
		}
	}
	return t.at
}

var eventEnd = []byte("\n\n")

// tracked takes a piece of the stream of a reader with a track.
func (e *engine) tracked(c *conn, piece []byte) {
	t := c.track
	if c.link.WebSocket {
		t.pending = append(t.pending, piece...)
		return
	}
	if len(t.pending) > 0 {
		t.pending = append(t.pending, piece...)
		piece = t.pending
	}
	n := bytes.LastIndex(piece, eventEnd)
	if n >= 0 {
		e.whole(c, piece[:n+len(eventEnd)])
		piece = piece[n+len(eventEnd):]
	}
	t.pending = append(t.pending[:0], piece...)
	if len(t.pending) == 0 {
		t.pending = nil
	}
}

// trackedFrame takes the end of a message.
func (e *engine) trackedFrame(c *conn) {
	e.whole(c, c.track.pending)
	c.track.pending = c.track.pending[:0]
}

// whole takes whole events.
func (e *engine) whole(c *conn, text []byte) {
	if c.link.Gap != "" && !c.track.gapped && bytes.Contains(text, []byte(c.link.Gap)) {
		c.track.gapped = true
		e.gapped++
	}
	c.finder.Find(&e.run, text, e.onStamp)
	c.track.values(c.link, text)
}
