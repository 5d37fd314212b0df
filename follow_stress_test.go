package todoke_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

// slowEngine is a memory engine that does not say so: a follower's goroutine must not wait for it.
type slowEngine struct{ *todoke.Memory }

func (slowEngine) Caps() todoke.Caps { return todoke.Caps{Fenced: true} }

// Readers of one channel, of several and of patterns come, are cut short, stop and go at two desks while publishers fill the
// channels. Each has every message of its channels once, in order, or a gap that says what it lacks.
func TestFollowUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name     string
		retain   todoke.Retention
		slow     bool
		maxBytes int
	}{
		{name: "plain"},
		{name: "the engine takes time", slow: true},
		{name: "tiny retention", retain: todoke.Retention{Messages: 3}},
		{name: "tiny retention, and the engine takes time", retain: todoke.Retention{Messages: 3}, slow: true},
		{name: "large messages", maxBytes: 40 << 10},
		{name: "large messages, little retained", maxBytes: 40 << 10, retain: todoke.Retention{Bytes: 100 << 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			o := todoke.Options{Namespace: todoke.Namespace{Retention: c.retain}}
			if c.slow {
				o.Engine = slowEngine{todoke.NewMemory(todoke.MemoryOptions{})}
			}
			s := &followStress{t: t, hub: newHub(t, o), seed: seed, maxBytes: max(200, c.maxBytes)}
			s.run()
		})
	}
}

type followStress struct {
	t        *testing.T
	hub      *todoke.Hub
	seed     uint64
	maxBytes int
	ledger   ledger
}

var followChannels = []string{"a", "b:1", "b:2", "b:3", "c:x:y"}

var followInterests = [][]string{{"a"}, {"a"}, {"b:1"}, {"a", "b:1"}, {"b:*"}, {"**"}, {"a", "b:*", "c:**"}, {"c:x:y"}}

func (s *followStress) run() {
	const publishers, each = 3, 700
	var publishing, opening sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			r := rand.New(rand.NewPCG(s.seed, uint64(p)))
			for i := range each {
				size := r.IntN(100)
				if r.IntN(20) == 0 {
					size = r.IntN(s.maxBytes)
				}
				s.ledger.publish(s.t, s.hub, followChannels[r.IntN(len(followChannels))], fmt.Sprintf("%d-%d-%s", p, i, strings.Repeat("x", size)))
			}
		})
	}
	var mu sync.Mutex
	var whole, parts []*tap
	for n := range 2 {
		d := openDesk(s.t, s.hub, s.seed+uint64(n))
		opening.Go(func() {
			r := rand.New(rand.NewPCG(s.seed, uint64(100+n)))
			for range 60 {
				tap := s.open(d, r)
				if tap == nil {
					return
				}
				kept := r.IntN(3) > 0
				mu.Lock()
				if kept {
					whole = append(whole, tap)
				} else {
					parts = append(parts, tap)
				}
				mu.Unlock()
				if !kept {
					s.disturb(d, tap, r)
				}
			}
		})
	}
	opening.Wait()
	publishing.Wait()
	head := s.hub.Head()
	for _, tap := range whole {
		tap.await(head)
		tap.d.do(func() { s.ledger.check(tap, true) })
	}
	for _, tap := range parts {
		if len(tap.removed) > 0 {
			tap.await(head)
		}
		tap.d.do(func() { s.ledger.check(tap, len(tap.removed) > 0) })
	}
	for _, tap := range append(whole, parts...) {
		tap.d.do(tap.close)
	}
}

// open makes a reader that starts somewhere.
func (s *followStress) open(d *desk, r *rand.Rand) *tap {
	head := s.hub.Head()
	since := todoke.Now()
	switch r.IntN(5) {
	case 0:
		if head.Offset > 0 {
			head.Offset -= todoke.Offset(r.IntN(int(head.Offset)))
		}
		since = todoke.After(head)
	case 1:
		since = todoke.After(todoke.Position{Epoch: head.Epoch, Offset: max(head.Offset, 5) - 5})
	case 2:
		since = todoke.Earliest()
	case 3:
		since = todoke.Last(1 + r.IntN(20))
	}
	tap := d.open(since, followInterests[r.IntN(len(followInterests))]...)
	if tap != nil {
		tap.short = r.IntN(2) == 0
		d.do(tap.follow)
	}
	return tap
}

// disturb closes the reader, at once, at a later turn or in the middle of a walk, or takes a channel from it.
func (s *followStress) disturb(d *desk, tap *tap, r *rand.Rand) {
	switch r.IntN(4) {
	case 0:
		d.do(tap.close)
	case 1:
		n := r.IntN(10)
		d.do(func() {
			tap.onReady = func() {
				if n--; n <= 0 {
					tap.onReady = nil
					tap.close()
				}
			}
		})
	case 2: // one that is visited closes another, and lets a new one in
		other := d.open(todoke.Now(), tap.names...)
		d.do(func() {
			tap.onReady = func() {
				tap.onReady = nil
				other.follow()
				other.onReady = func() { tap.close() }
			}
		})
	default:
		if len(tap.names) > 1 {
			d.do(func() {
				if tap.closed || tap.chasing || tap.blocked {
					return
				}
				tap.sub.Remove(tap.names[0])
				for _, channel := range followChannels {
					if todoke.MatchPattern(tap.names[0], channel) {
						tap.removed = append(tap.removed, channel)
					}
				}
			})
		}
	}
}
