// Package broadcast is a todoke.Directory over anything that carries short notes to all nodes, and may lose some: NATS' core, Redis'
// publish and subscribe. Engines bring the Bus.
//
// Each node numbers the changes of its values. It sends a change as it happens, and three times a TTL a beat with the number it has come
// to. Who finds a number missing asks that node for all its values; a node that comes asks everybody. Notes of one run of a node are told from
// those of an earlier one by a random word. A beat has no values, so a quiet directory costs three short notes a node and TTL.
package broadcast

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Bus carries notes to all nodes, the sender among them or not, in the order of each sender where none is lost.
type Bus interface {
	// Send gives a note to those who receive at the moment. It does not wait for them.
	Send(ctx context.Context, note []byte) error
	// Receive calls receiving when notes come from then on, and then take for each, one at a time, until ctx ends or the
	// connection does; it is then called again.
	Receive(ctx context.Context, receiving func(), take func(note []byte)) error
}

// The kinds of notes.
const (
	kindBeat = "beat" // the node lives, and has come to Rev
	kindSet  = "set"  // change number Rev: Key is Value now, or gone
	kindAll  = "all"  // everything the node has at Rev
	kindAsk  = "ask"  // the node asks To, or everybody, for everything
	kindBye  = "bye"  // the node goes
)

// A note is what nodes send. JSON, so that a later version can add to it.
type note struct {
	Kind   string            `json:"kind"`
	Node   string            `json:"node"`
	Run    string            `json:"run"`
	Rev    uint64            `json:"rev,omitempty"`
	To     string            `json:"to,omitempty"`
	Key    string            `json:"key,omitempty"`
	Value  []byte            `json:"value,omitempty"`
	Values map[string][]byte `json:"values,omitempty"`
}

// A peer is another node as this one knows it.
type peer struct {
	run   string
	rev   uint64
	heard time.Time
	asked time.Time // when it was asked for everything last
	known bool      // its values up to rev are on the board
}

// A Directory is a todoke.Directory over a Bus.
type Directory struct {
	*todoke.Board
	node, run string
	ttl       time.Duration
	bus       Bus
	log       *slog.Logger

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	sending sync.Mutex // held from a change until it was sent, so that numbers go out in order
	rev     uint64

	mu    sync.Mutex
	peers map[string]*peer
}

var _ todoke.Directory = (*Directory)(nil)

// New joins node to the directory of those on the bus.
func New(node string, ttl time.Duration, bus Bus, log *slog.Logger) (*Directory, error) {
	if node == "" || len(node) > 64 {
		return nil, fmt.Errorf("the name of a node has 1 to 64 bytes, not %d", len(node))
	}
	if ttl == 0 {
		ttl = todoke.DefaultDirectoryTTL
	}
	if ttl < 30*time.Millisecond {
		return nil, fmt.Errorf("a lease of %v is too short", ttl)
	}
	d := &Directory{Board: todoke.NewBoard(node), node: node, run: rand.Text(), ttl: ttl, bus: bus, log: log, peers: make(map[string]*peer)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.running.Go(d.receive)
	d.running.Go(d.beat)
	return d, nil
}

// Set implements todoke.Directory. A note that cannot be sent is made good by the next beat.
func (d *Directory) Set(ctx context.Context, key string, value []byte) error {
	d.sending.Lock()
	defer d.sending.Unlock()
	if err := d.Board.Set(ctx, key, value); err != nil {
		return err
	}
	d.rev++
	d.send(note{Kind: kindSet, Rev: d.rev, Key: key, Value: value})
	return nil
}

// Close implements todoke.Directory.
func (d *Directory) Close() error {
	err := d.Board.Close()
	d.sending.Lock()
	if d.ctx.Err() == nil {
		d.send(note{Kind: kindBye})
	}
	d.cancel()
	d.sending.Unlock()
	d.running.Wait()
	return err
}

// send gives a note to the others, or gives up soon.
func (d *Directory) send(n note) {
	n.Node, n.Run = d.node, d.run
	text, err := json.Marshal(n)
	if err == nil {
		ctx, cancel := context.WithTimeout(d.ctx, d.ttl/3)
		defer cancel()
		err = d.bus.Send(ctx, text)
	}
	if err != nil {
		d.log.Debug("a note to other nodes was not sent", "kind", n.Kind, "error", err)
	}
}

// receive takes notes until Close.
func (d *Directory) receive() {
	for level := slog.LevelWarn; d.ctx.Err() == nil; {
		came := false
		err := d.bus.Receive(d.ctx, func() { came = true; d.send(note{Kind: kindAsk}) }, d.take)
		if d.ctx.Err() != nil {
			return
		}
		if came {
			level = slog.LevelWarn
		}
		d.log.Log(d.ctx, level, "other nodes are not heard; trying again", "error", err)
		level = slog.LevelDebug // once is enough
		wait(d.ctx, d.ttl/10)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// beat says that this node lives, and drops those that are not heard of, until Close.
func (d *Directory) beat() {
	ticker := time.NewTicker(d.ttl / 3)
	defer ticker.Stop()
	for {
		d.sending.Lock()
		d.send(note{Kind: kindBeat, Rev: d.rev})
		d.sending.Unlock()
		select {
		case <-ticker.C:
		case <-d.ctx.Done():
			return
		}
		d.expire(time.Now())
	}
}

func (d *Directory) expire(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for node, p := range d.peers {
		if now.Sub(p.heard) > d.ttl {
			delete(d.peers, node)
			d.Replace(node, nil)
		}
	}
}

var errNote = errors.New("it is no note")

func parse(text []byte) (n note, err error) {
	if err = json.Unmarshal(text, &n); err != nil {
		return n, err
	}
	if n.Kind == "" || n.Node == "" || len(n.Node) > 64 || n.Run == "" || len(n.Run) > 64 {
		return n, errNote
	}
	return n, nil
}

// take takes a note in. What cannot be read is passed over: a later version may send more.
func (d *Directory) take(text []byte) {
	n, err := parse(text)
	if err != nil {
		d.log.Debug("a note of another node cannot be read", "error", err)
		return
	}
	if n.Node == d.node {
		if n.Run != d.run {
			d.log.Warn("another node has this node's name; each needs one of its own", "node", n.Node)
		}
		return
	}
	if n.Kind == kindAsk && (n.To == "" || n.To == d.node) {
		d.sending.Lock()
		d.send(note{Kind: kindAll, Rev: d.rev, Values: d.Of(d.node)})
		d.sending.Unlock()
	}
	if d.note(n, time.Now()) {
		d.send(note{Kind: kindAsk, To: n.Node})
	}
}

// note brings the board to what a note says; ask reports that something is missing.
func (d *Directory) note(n note, now time.Time) (ask bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n.Kind == kindBye {
		if p := d.peers[n.Node]; p != nil && p.run == n.Run {
			delete(d.peers, n.Node)
			d.Replace(n.Node, nil)
		}
		return false
	}
	p := d.peers[n.Node]
	if p == nil || p.run != n.Run {
		p = &peer{run: n.Run}
		d.peers[n.Node] = p
		d.Replace(n.Node, nil)
	}
	p.heard = now
	switch {
	case n.Kind == kindAll && (!p.known || n.Rev >= p.rev):
		p.known, p.rev = true, n.Rev
		d.Replace(n.Node, n.Values)
		return false
	case n.Kind == kindSet && p.known && n.Rev == p.rev+1:
		p.rev = n.Rev
		d.Put(n.Node, n.Key, n.Value)
		return false
	case n.Kind != kindBeat && n.Kind != kindSet, p.known && n.Rev <= p.rev, now.Sub(p.asked) < d.ttl/10:
		return false
	}
	p.asked = now
	return true
}
