//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

// A recorder is a sink that writes down what it is told, and what may not be.
type recorder struct {
	mu     sync.Mutex
	epochs []string
	head   todoke.Offset // the last Epoch's, then Advance's
	got    []todoke.Position
	holes  int
	faults []string
}

func (r *recorder) Epoch(id string, head todoke.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs = append(r.epochs, id)
	r.head = head
}

func (r *recorder) Apply(batch []*todoke.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range batch {
		if now := r.epochs[len(r.epochs)-1]; m.Position.Epoch != now {
			r.faults = append(r.faults, fmt.Sprintf("Apply of %v in epoch %s", m.Position, now))
		}
		if m.Position.Offset <= r.head {
			r.faults = append(r.faults, fmt.Sprintf("Apply of %v after %d", m.Position, r.head))
		}
		r.got = append(r.got, m.Position)
	}
}

func (r *recorder) Advance(head todoke.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = head
}

func (r *recorder) Hole(_, to todoke.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holes++
	r.head = to
}

func (r *recorder) epoch() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.epochs) == 0 {
		return ""
	}
	return r.epochs[len(r.epochs)-1]
}

func (r *recorder) has(p todoke.Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, got := range r.got {
		if got == p {
			return true
		}
	}
	return false
}

// reached reports whether the tail is at a position or after it, in its epoch.
func (r *recorder) reached(p todoke.Position) bool {
	order, same := r.position().Compare(p)
	return same && order >= 0
}

// position is where a hub would go on.
func (r *recorder) position() todoke.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.epochs) == 0 {
		return todoke.Position{}
	}
	return todoke.Position{Epoch: r.epochs[len(r.epochs)-1], Offset: r.head}
}

// follow tails as a hub does: when the store is lost it calls again. It ends with the test, and tells the faults.
func follow(t *testing.T, e todoke.Engine) *recorder {
	t.Helper()
	r := &recorder{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := e.Tail(ctx, r.position(), r); err == nil {
				t.Error("Tail returned nil")
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		for _, fault := range r.faults {
			t.Error(fault)
		}
	})
	waitFor(t, "Tail calls Epoch", func() bool { return r.epoch() != "" })
	return r
}

// A lane is an address behind which the server can be changed, as with Sentinel or a name that moves.
type lane struct {
	path string

	mu     sync.Mutex
	target string
	open   []net.Conn
}

func newLane(t *testing.T, to *server) *lane {
	t.Helper()
	l := &lane{path: filepath.Join(to.dir, "lane"), target: to.socket()}
	listener, err := net.Listen("unix", l.path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			target, err := net.Dial("unix", l.target)
			if err != nil {
				client.Close()
			} else {
				l.open = append(l.open, client, target)
				wg.Go(func() { io.Copy(target, client); target.Close() })
				wg.Go(func() { io.Copy(client, target); client.Close() })
			}
			l.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		wg.Wait()
	})
	return l
}

// cut ends all connections.
func (l *lane) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		c.Close()
	}
	l.open = nil
}

// turn leads to another server from now on.
func (l *lane) turn(to *server) {
	l.mu.Lock()
	l.target = to.socket()
	l.mu.Unlock()
	l.cut()
}

func (l *lane) url(prefix string) string { return "unix://" + l.path + "?prefix=" + prefix }
