//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/todoke-dev/todoke/test/faults/proxy"
	"github.com/todoke-dev/todoke/test/faults/stage"
)

// A fault is what is done to the servers in a round.
type fault struct {
	name string
	// fits reports whether it can be done on this stage.
	fits func(*stage.Stage) bool
	// explains names the engine whose log it may take away by design; "" is none.
	explains string
	// strike does it, waits, and undoes it, also when ctx ends meanwhile.
	strike func(context.Context, *blow) error
}

// A blow is one fault at one time, with what the seed chose for it.
type blow struct {
	stage  *stage.Stage
	random *rand.Rand
	node   int           // which is hit
	hold   time.Duration // how long it lasts
	text   string        // what was done, for the history
}

func always(*stage.Stage) bool     { return true }
func hasStore(s *stage.Stage) bool { return s.Store != nil }

// faults are all of them. A gap is told only where the log is gone: with the memory engine, when the node was killed.
var faults = []fault{
	{name: "kill-node", fits: always, explains: "memory", strike: killNode},
	{name: "stop-node", fits: always, strike: func(ctx context.Context, b *blow) error { return pause(ctx, b, b.stage.Nodes[b.node]) }},
	{name: "cut", fits: always, strike: func(ctx context.Context, b *blow) error { return cut(ctx, b, b.stage.Proxies...) }},
	{name: "delay", fits: always, strike: func(ctx context.Context, b *blow) error { return delay(ctx, b, b.stage.Proxies...) }},
	{name: "half-open", fits: always, strike: func(ctx context.Context, b *blow) error { return halfOpen(ctx, b, b.stage.Proxies[b.node]) }},
	{name: "kill-engine", fits: hasStore, strike: killEngine},
	{name: "stop-engine", fits: hasStore, strike: func(ctx context.Context, b *blow) error { return pause(ctx, b, b.stage.Store) }},
	{name: "kill-all", fits: hasStore, strike: killAll},
	{name: "engine-cut", fits: hasStore, strike: func(ctx context.Context, b *blow) error { return cut(ctx, b, b.stage.Link) }},
	{name: "engine-delay", fits: hasStore, strike: func(ctx context.Context, b *blow) error { return delay(ctx, b, b.stage.Link) }},
	{name: "engine-half-open", fits: hasStore, strike: func(ctx context.Context, b *blow) error { return halfOpen(ctx, b, b.stage.Link) }},
	{name: "disk-full", fits: func(s *stage.Stage) bool { return s.NoDisk == "" }, strike: diskFull},
}

func killNode(ctx context.Context, b *blow) error {
	node := b.stage.Nodes[b.node]
	if err := node.Kill(); err != nil {
		return err
	}
	pass(ctx, b.hold)
	return node.Restart(ctx)
}

func killEngine(ctx context.Context, b *blow) error {
	if err := b.stage.Store.Kill(); err != nil {
		return err
	}
	pass(ctx, b.hold)
	return b.stage.Store.Restart(ctx)
}

func killAll(ctx context.Context, b *blow) error {
	all := append([]*stage.Process{b.stage.Store}, b.stage.Nodes...)
	var err error
	for _, p := range all {
		err = errors.Join(err, p.Kill())
	}
	pass(ctx, b.hold)
	for _, p := range all {
		if err == nil {
			err = p.Restart(ctx)
		}
	}
	return err
}

func pause(ctx context.Context, b *blow, p *stage.Process) error {
	if err := p.Pause(); err != nil {
		return err
	}
	pass(ctx, b.hold)
	return p.Continue()
}

func cut(ctx context.Context, b *blow, proxies ...*proxy.Proxy) error {
	end, n := time.Now().Add(b.hold), 0
	for time.Now().Before(end) && ctx.Err() == nil {
		p := proxies[b.random.IntN(len(proxies))]
		switch {
		case b.random.IntN(8) == 0:
			n += p.Cut()
		case p.CutOne():
			n++
		}
		pass(ctx, time.Duration(b.random.IntN(40))*time.Millisecond)
	}
	b.text = fmt.Sprintf("%d connections", n)
	return nil
}

func delay(ctx context.Context, b *blow, proxies ...*proxy.Proxy) error {
	d := time.Duration(20+b.random.IntN(200)) * time.Millisecond
	b.text = fmt.Sprintf("%v each way", d)
	for _, p := range proxies {
		p.Delay(d)
		defer p.Delay(0)
	}
	pass(ctx, b.hold)
	return nil
}

func halfOpen(ctx context.Context, b *blow, p *proxy.Proxy) error {
	p.Silence()
	defer p.Speak()
	pass(ctx, b.hold)
	return nil
}

// diskFull ends as an operator ends it: space is made, and the process that had none is started again.
func diskFull(ctx context.Context, b *blow) error {
	p := b.stage.Store
	if p == nil {
		p = b.stage.Nodes[0]
	}
	p.MayEnd()
	err := b.stage.Fill()
	if err == nil {
		pass(ctx, b.hold)
	}
	return errors.Join(err, b.stage.Free(), p.Kill(), p.Restart(ctx))
}

// pass lets d go by, or less when ctx ends.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
