//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/todoke-dev/todoke/test/faults/history"
	"github.com/todoke-dev/todoke/test/faults/stage"
)

const (
	publishers = 4
	readers    = 10 // two on each transport
	every      = 20 * time.Millisecond
	// settleFor bounds the wait for everybody to get to the end of a round. A client that lost its engine may be some seconds away.
	settleFor = 30 * time.Second
)

// A play is a run on one engine: the stage, and who acts on it.
type play struct {
	o          options
	engine     string
	stage      *stage.Stage
	record     *history.Recorder
	faults     []fault // in the order of the rounds, and then again
	publishers []*publisher
	marker     *publisher
	readers    []*reader
}

// source is what everything random of a part of the run comes from.
func source(seed uint64, part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) }

func newPlay(o options, engine string, s *stage.Stage, record *history.Recorder) (*play, error) {
	p := &play{o: o, engine: engine, stage: s, record: record}
	for _, f := range faults {
		if f.fits(s) && o.wants(f.name) {
			p.faults = append(p.faults, f)
		}
	}
	source(o.seed, 0).Shuffle(len(p.faults), func(i, j int) { p.faults[i], p.faults[j] = p.faults[j], p.faults[i] })
	for i := range publishers {
		one, err := newPublisher(fmt.Sprintf("p%d", i+1), s, record, source(o.seed, 1<<32+uint64(i)))
		if err != nil {
			return nil, err
		}
		p.publishers = append(p.publishers, one)
	}
	last, err := newPublisher(marker, s, record, source(o.seed, 1<<33))
	if err != nil {
		return nil, err
	}
	p.marker = last
	for i := range readers {
		p.readers = append(p.readers, newReader(i, s, record))
	}
	return p, nil
}

// An outcome is what a line of progress says of a round.
type outcome struct {
	fault, text string
	after, hold time.Duration
	settled     time.Duration
	stuck       int
}

// round starts the load, strikes once, and waits until everybody has the last message. Its error is the harness's own.
func (p *play) round(ctx context.Context, n int) (outcome, error) {
	random, f := source(p.o.seed, uint64(n)), p.faults[(n-1)%len(p.faults)]
	b := &blow{stage: p.stage, random: random, node: random.IntN(len(p.stage.Nodes)), hold: p.holdFor(f.name, random)}
	out := outcome{fault: f.name, after: p.o.load/8 + time.Duration(random.Int64N(int64(p.o.load/4))), hold: b.hold}
	p.record.Add(history.Event{Kind: history.Round, Round: n})

	ctx, cancel := context.WithTimeout(ctx, p.o.load+b.hold+settleFor)
	defer cancel()
	reading, stopReading := context.WithCancel(ctx)
	var running, publishing sync.WaitGroup
	defer running.Wait()
	defer stopReading()
	for _, r := range p.readers {
		r.prepare(n)
		running.Go(func() { r.run(reading) })
	}
	for _, r := range p.readers {
		if !wait(ctx, r.following) {
			return out, fmt.Errorf("%s could not begin round %d: %w", r.name, n, ctx.Err())
		}
	}
	load, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	for _, one := range p.publishers {
		publishing.Go(func() { one.run(ctx, load, every) })
	}
	began := time.Now()
	pass(ctx, out.after)
	p.record.Add(history.Event{Kind: history.Fault, Text: f.name, Round: n, Node: b.node + 1, Explains: f.explains == p.engine})
	err := f.strike(ctx, b)
	if b.text != "" {
		out.text = " (" + b.text + ")"
	}
	p.record.Add(history.Event{Kind: history.Heal, Text: b.text, Round: n})
	if err == nil {
		pass(ctx, max(p.o.load/4, p.o.load-time.Since(began)))
	}
	stopLoad()
	publishing.Wait()
	if err != nil {
		return out, fmt.Errorf("round %d, %s: %w", n, f.name, err)
	}
	out.settled, out.stuck = p.settle(ctx, n)
	return out, nil
}

// holdFor chooses how long a fault lasts: a killed process is back soon, the rest is up to the flag.
func (p *play) holdFor(name string, random *rand.Rand) time.Duration {
	longest := p.o.hold
	switch name {
	case "kill-node", "kill-engine", "kill-all":
		longest = min(longest, 600*time.Millisecond)
		return time.Duration(random.Int64N(int64(longest)))
	}
	return longest/4 + time.Duration(random.Int64N(int64(longest)*3/4))
}

// settle publishes the last messages of the round and waits for everybody to have them.
func (p *play) settle(ctx context.Context, n int) (took time.Duration, stuck int) {
	began := time.Now()
	for i, channel := range channels {
		p.marker.number = int64((n-1)*len(channels) + i + 1)
		if !p.marker.publish(ctx, channel) {
			p.record.Add(history.Event{Kind: history.Stuck, Who: marker, Channel: channel, Text: "the last message was not acknowledged in time"})
			return time.Since(began), 1
		}
	}
	for _, r := range p.readers {
		if !wait(ctx, r.settled) {
			p.record.Add(history.Event{Kind: history.Stuck, Who: r.name, Text: "the last messages did not come in time"})
			stuck++
		}
	}
	return time.Since(began), stuck
}

func wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
