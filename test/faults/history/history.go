// Package history is the record of a run of test/faults: what publishers sent and were answered, what readers were given, and what
// was done to the servers, in the order in which the harness saw it. One line of JSON is one event.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Kind says what an event is.
type Kind string

// What the harness does.
const (
	Run    Kind = "run"    // the first line: Engine, Seed
	Round  Kind = "round"  // Round begins
	Fault  Kind = "fault"  // it begins; Explains
	Heal   Kind = "heal"   // what was done is undone
	Exited Kind = "exited" // the process Who ended by itself
)

// What a publisher does and is told. Who and Number name the message.
const (
	Send    Kind = "send"    // an attempt begins
	Ack     Kind = "ack"     // at Position; Duplicate when it had been appended before
	Refused Kind = "refused" // nothing was appended, said the answer
	Unknown Kind = "unknown" // it may have been
)

// What happens at the reader Who.
const (
	Follow  Kind = "follow"  // it begins, or goes on after Position; Channels, Transport
	Message Kind = "message" // it was given the message Number of Publisher on Channel
	Gap     Kind = "gap"     // it was told one
	Failed  Kind = "failed"  // its stream gave up
	Settled Kind = "settled" // it has the last message of the round
	Stuck   Kind = "stuck"   // it, or a publisher, did not get there in time
)

// An Event is one line.
type Event struct {
	Micros    int64           `json:"us"` // since the run began
	Kind      Kind            `json:"kind"`
	Who       string          `json:"who,omitempty"`
	Publisher string          `json:"publisher,omitempty"`
	Number    int64           `json:"number,omitempty"` // counts a publisher's messages, over all channels, from 1
	Channel   string          `json:"channel,omitempty"`
	Position  todoke.Position `json:"position,omitzero"`
	Duplicate bool            `json:"duplicate,omitempty"`

	From     todoke.Position `json:"from,omitzero"`
	To       todoke.Position `json:"to,omitzero"`
	Possible bool            `json:"possible,omitempty"`

	Channels  []string `json:"channels,omitempty"`
	Transport string   `json:"transport,omitempty"`
	Node      int      `json:"node,omitempty"` // from 1

	Round    int    `json:"round,omitempty"` // from 1
	Engine   string `json:"engine,omitempty"`
	Seed     uint64 `json:"seed,omitempty"`
	Explains bool   `json:"explains,omitempty"` // the fault may cost what was acknowledged, and then is told as a gap
	Text     string `json:"text,omitempty"`
}

// A Recorder writes events. Its methods may be called from many goroutines; the order of the calls is the order of the lines.
type Recorder struct {
	began time.Time

	mu     sync.Mutex
	events []Event
	out    *bufio.Writer
	failed error
}

// NewRecorder returns one that writes to w and keeps what it wrote for the checker.
func NewRecorder(w io.Writer) *Recorder {
	return &Recorder{began: time.Now(), out: bufio.NewWriter(w)}
}

// Add records e at this moment.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Micros = time.Since(r.began).Microseconds()
	r.events = append(r.events, e)
	line, err := json.Marshal(e)
	if err == nil {
		_, err = r.out.Write(append(line, '\n'))
	}
	r.failed = errors.Join(r.failed, err)
}

// Events returns what was recorded so far. It is not to be changed.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}

// Flush writes what waits, and returns the first error of all writes.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.failed, r.out.Flush())
}

// Read reads a saved history.
func Read(r io.Reader) (events []Event, err error) {
	decoder := json.NewDecoder(r)
	for {
		var e Event
		switch err := decoder.Decode(&e); {
		case errors.Is(err, io.EOF):
			return events, nil
		case err != nil:
			return nil, fmt.Errorf("event %d of the history: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
}
