// Package transporttest is the conformance suite of transports: what docs/protocol.md promises of reading, as
// scenarios that run on every transport through a small Driver. A server set-up runs them with Run, RunMatrix
// resumes from every transport onto every other, and RunClusterMatrix also from every node onto another.
//
// Drivers read the wire as it is: they do not use the client package, which would hide cuts by resuming.
package transporttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Server is a running set-up: a hub behind a listener.
type Server struct {
	Hub *todoke.Hub
	URL string // http://host:port, without a slash at the end
}

// A Setup starts a server that ends with the test.
type Setup func(t testing.TB, o todoke.Options) Server

// A ClusterSetup starts servers that share one log and end with the test.
type ClusterSetup func(t testing.TB, o todoke.Options) []Server

// An Event is one thing that a reader got: a message or a gap.
type Event struct {
	Message *todoke.Message
	Gap     *todoke.Gap
}

// Errors that readers translate what they see into.
var (
	// ErrRestarting is the transport's notice that the server is stopping and the client is to come back.
	ErrRestarting = errors.New("the server is restarting")
	// ErrRefused is a refusal for want of permission.
	ErrRefused = errors.New("refused")
)

// A Reader is one connection, or one chain of polls.
type Reader interface {
	// Next returns the next event, or an error when the connection ended or ctx did.
	Next(ctx context.Context) (Event, error)
	// Position is where the reader would resume: known from the beginning on.
	Position() string
	// Close cuts the connection without a word.
	Close()
}

// A Driver is a transport as the suite sees it.
type Driver struct {
	Name string
	// Open connects to a server and reads channels from since ("" is the transport's own default). It returns
	// when the reader has a position.
	Open func(ctx context.Context, url string, channels []string, since string) (Reader, error)
	// Polls is true for a reader that asks again and again: it has no default of now, and it does not notice that a server
	// stops until it asks.
	Polls bool
}

// patience bounds every wait; it is far beyond what anything takes.
const patience = 30 * time.Second

// open opens a reader that ends with the test.
func open(t testing.TB, d Driver, s Server, since string, channels ...string) Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := d.Open(ctx, s.URL, channels, since)
	if err != nil {
		t.Fatalf("%s: open %v since %q: %v", d.Name, channels, since, err)
	}
	t.Cleanup(r.Close)
	return r
}

// next waits for one event.
func next(t testing.TB, r Reader) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := r.Next(ctx)
	if err != nil {
		t.Fatalf("no event: %v", err)
	}
	return e
}

// words reads n events as text: "a=1" for a message, "gap a 2-3", with "?" where it is possible only.
func words(t testing.TB, r Reader, n int) (list []string) {
	t.Helper()
	for len(list) < n {
		list = append(list, word(next(t, r)))
	}
	return list
}

func publish(t testing.TB, s Server, channel string, data ...string) (last todoke.Position) {
	t.Helper()
	for _, d := range data {
		p, err := s.Hub.Publish(t.Context(), todoke.Message{Channel: channel, Data: []byte(d)})
		if err != nil {
			t.Fatal(err)
		}
		last = p.Position
	}
	return last
}
