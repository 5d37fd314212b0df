//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/test/faults/history"
	"github.com/todoke-dev/todoke/test/faults/stage"
)

var transports = []client.Transport{
	client.TransportPoll, client.TransportLongPoll, client.TransportSSE, client.TransportWebSocket, client.TransportSession,
}

var interests = [][]string{{"faults:*"}, {"faults:b", "faults:c"}, {"faults:a"}}

// marker is the publisher of the last messages of a round, one on each channel.
const marker = "marker"

// A reader follows its channels through all rounds, in each over another transport, on one node or the other.
type reader struct {
	name     string
	index    int
	record   *history.Recorder
	ways     []string // to each node
	interest []string
	at       todoke.Position
	begun    bool

	// Of the present round.
	round     int
	missing   []string      // channels whose marker it lacks
	following chan struct{} // closed when it has begun
	settled   chan struct{} // closed when nothing is missing
}

func newReader(i int, s *stage.Stage, record *history.Recorder) *reader {
	r := &reader{name: fmt.Sprintf("r%d", i+1), index: i, record: record, interest: interests[i/len(transports)%len(interests)]}
	for _, way := range s.Proxies {
		r.ways = append(r.ways, "http://"+way.Addr())
	}
	return r
}

// prepare gets the reader ready for a round; run follows.
func (r *reader) prepare(round int) {
	r.round, r.missing = round, nil
	for _, channel := range channels {
		if slices.ContainsFunc(r.interest, func(p string) bool { return todoke.MatchPattern(p, channel) }) {
			r.missing = append(r.missing, channel)
		}
	}
	r.following, r.settled = make(chan struct{}), make(chan struct{})
}

// run follows until ctx ends. A stream that gives up is replaced, by one that begins where it was.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.follow(ctx); ctx.Err() == nil {
			r.record.Add(history.Event{Kind: history.Failed, Who: r.name, Text: err.Error()})
			pass(ctx, 50*time.Millisecond)
		}
	}
}

func (r *reader) follow(ctx context.Context) error {
	transport, node := transports[(r.index+r.round)%len(transports)], (r.index+r.round/2)%len(r.ways)
	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	c, err := client.New(r.ways[node], client.Options{
		HTTPClient: &http.Client{Transport: connections}, MinBackoff: 5 * time.Millisecond, MaxBackoff: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	o := client.SubscribeOptions{Channels: r.interest, Transport: transport, PollInterval: 50 * time.Millisecond}
	if r.begun {
		o.Since = todoke.After(r.at)
	}
	stream, err := c.Subscribe(ctx, o)
	if err != nil {
		return err
	}
	defer stream.Close()
	if !r.begun {
		r.at, r.begun = stream.Position(), true
	}
	r.record.Add(history.Event{Kind: history.Follow, Who: r.name, Channels: r.interest, Position: r.at, Transport: string(transport), Node: node + 1})
	select {
	case <-r.following:
	default:
		close(r.following)
	}
	for {
		e, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		r.take(e)
	}
}

func (r *reader) take(e client.Event) {
	if !e.Position.IsZero() {
		r.at = e.Position
	}
	if g := e.Gap; g != nil {
		r.record.Add(history.Event{Kind: history.Gap, Who: r.name, Channel: g.Channel, From: g.From, To: g.To, Possible: g.Possible})
	}
	m := e.Message
	if m == nil {
		return
	}
	line := history.Event{Kind: history.Message, Who: r.name, Channel: m.Channel, Position: m.Position}
	if _, err := fmt.Sscanf(m.Text(), "%s %d", &line.Publisher, &line.Number); err != nil {
		line.Text = "not what a publisher sends: " + m.Text() // the checker finds that nobody published it
	}
	r.record.Add(line)
	if line.Publisher != marker || (line.Number-1)/int64(len(channels)) != int64(r.round-1) || len(r.missing) == 0 {
		return
	}
	r.missing = slices.DeleteFunc(r.missing, func(channel string) bool { return channel == m.Channel })
	if len(r.missing) == 0 {
		r.record.Add(history.Event{Kind: history.Settled, Who: r.name, Position: m.Position})
		close(r.settled)
	}
}
