//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/test/faults/history"
	"github.com/todoke-dev/todoke/test/faults/stage"
)

// channels are what is published to.
var channels = []string{"faults:a", "faults:b", "faults:c"}

// attemptFor bounds one attempt: after it the outcome is unknown, and it is tried again on another node.
const attemptFor = time.Second

// A publisher sends one message after another, and goes on when the one is acknowledged: whatever the answers are, its messages
// have one order.
type publisher struct {
	name    string
	record  *history.Recorder
	random  *rand.Rand
	clients []*client.Client // one for each node
	node    int              // which it talks to
	number  int64
}

func newPublisher(name string, s *stage.Stage, record *history.Recorder, random *rand.Rand) (*publisher, error) {
	p := &publisher{name: name, record: record, random: random, node: random.IntN(len(s.Nodes))}
	for _, way := range s.Proxies {
		// RetryFor: one attempt, for the history has to tell of each.
		c, err := client.New("http://"+way.Addr(), client.Options{HTTPClient: &http.Client{Transport: &http.Transport{}}, RetryFor: 1})
		if err != nil {
			return nil, err
		}
		p.clients = append(p.clients, c)
	}
	return p, nil
}

// run publishes until load ends; what it has begun then it brings to its end, unless ctx ends.
func (p *publisher) run(ctx, load context.Context, every time.Duration) {
	for load.Err() == nil {
		p.number++
		channel := channels[p.random.IntN(len(channels))]
		ok := p.publish(ctx, channel)
		if ok && p.random.IntN(8) == 0 {
			ok = p.publish(ctx, channel) // as one does who did not get the answer
		}
		if !ok {
			p.record.Add(history.Event{Kind: history.Stuck, Who: p.name, Number: p.number, Channel: channel, Text: "it was not acknowledged in time"})
			return
		}
		pass(load, every/2+rand.N(every))
	}
}

// publish sends the message of the present number until it is acknowledged; false: ctx ended first.
func (p *publisher) publish(ctx context.Context, channel string) bool {
	m := todoke.Message{
		Channel: channel, IdempotencyKey: fmt.Sprintf("%s-%d", p.name, p.number),
		Data: fmt.Appendf(nil, "%s %d %0*d", p.name, p.number, 1+p.random.IntN(200), 0),
	}
	for ctx.Err() == nil {
		e := history.Event{Kind: history.Send, Who: p.name, Number: p.number, Channel: channel, Node: p.node + 1}
		p.record.Add(e)
		attempt, cancel := context.WithTimeout(ctx, attemptFor)
		done, err := p.clients[p.node].Publish(attempt, m)
		cancel()
		if err == nil {
			e.Kind, e.Position, e.Duplicate = history.Ack, done.Position, done.Duplicate
			p.record.Add(e)
			return true
		}
		e.Kind, e.Text = history.Refused, err.Error()
		if errors.Is(err, todoke.CodeUnknown) {
			e.Kind = history.Unknown
		}
		p.record.Add(e)
		p.node = (p.node + 1) % len(p.clients)
		pass(ctx, 10*time.Millisecond+rand.N(40*time.Millisecond))
	}
	return false
}
