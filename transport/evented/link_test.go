package evented_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

func TestPeerVanishes(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	pool := newPool(t, hub, evented.Options{Workers: 2})
	for _, how := range []string{"close", "half-close", "reset"} {
		w, peer := attach(t, hub, pool, todoke.Now(), "a")
		publish(t, hub, "a", "1")
		readLines(t, peer, 1)
		switch how {
		case "close":
			peer.Close()
		case "half-close":
			peer.CloseWrite()
		case "reset":
			peer.SetLinger(0)
			peer.Close()
		}
		if err := w.reason(t); !errors.Is(err, evented.ErrPeerGone) {
			t.Errorf("%s: %v", how, err)
		}
	}
	if n := pool.Links(); n != 0 {
		t.Errorf("%d links are left", n)
	}
	witness, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer witness.Close()
	if n := witness.Audience(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

// Peers that stop reading are cut after the write timeout, cost no more than a message each until then, and delay nobody.
func TestStalledPeers(t *testing.T) {
	const stalled, quick, size = 30, 10, 1 << 20
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{MaxMessageBytes: size, Retention: todoke.Retention{Bytes: 64 << 20}}})
	pool := newPool(t, hub, evented.Options{Workers: 2, WriteTimeout: 2 * time.Second})
	var slow []*wire
	for range stalled {
		w, peer := attach(t, hub, pool, todoke.Now(), "a")
		peer.SetReadBuffer(4 << 10)
		slow = append(slow, w)
	}
	got := make(chan error, quick)
	for range quick {
		_, peer := attach(t, hub, pool, todoke.Now(), "a")
		go func() {
			n, err := io.CopyN(io.Discard, peer, 25*(size+1))
			if err == nil && n != 25*(size+1) {
				err = fmt.Errorf("%d bytes", n)
			}
			got <- err
		}()
	}
	await(t, "all to follow", func() bool {
		for _, w := range slow {
			if !w.started.Load() {
				return false
			}
		}
		return pool.Links() == stalled+quick
	})
	before := heap()
	data := strings.Repeat("x", size)
	began := time.Now()
	for range 25 {
		publish(t, hub, "a", data)
	}
	for range quick {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	if used := int64(heap()) - int64(before); used > (stalled+quick)*(size+64<<10)+(48<<20) {
		t.Errorf("%d MB for %d stalled peers", used>>20, stalled)
	}
	for _, w := range slow {
		if err := w.reason(t); !errors.Is(err, evented.ErrPeerStuck) {
			t.Error(err)
		}
	}
	if waited := time.Since(began); waited < 1900*time.Millisecond {
		t.Errorf("peers were cut after %v", waited)
	}
	await(t, "the quick ones only", func() bool { return pool.Links() == quick })
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// A peer that pauses goes on where it was: with everything, or where it was away too long, with a gap.
func TestPausedPeer(t *testing.T) {
	for _, retain := range []int{1000, 3} {
		t.Run(fmt.Sprintf("retain %d", retain), func(t *testing.T) {
			hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: retain, Bytes: 100 << 20}}})
			pool := newPool(t, hub, evented.Options{Workers: 1})
			_, peer := attach(t, hub, pool, todoke.Now(), "a")
			const total = 600
			for i := range total { // more than the kernel takes, and more than the tail of the channel
				publish(t, hub, "a", fmt.Sprintf("%d %s", i, strings.Repeat("x", 60_000)))
			}
			next, gaps := 0, 0
			text := make([]byte, 0, 70_000)
			buffer := make([]byte, 256<<10)
			for next < total {
				n, err := peer.Read(buffer)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range buffer[:n] {
					if c != '\n' {
						text = append(text, c)
						continue
					}
					var from, to, number int
					if _, err := fmt.Sscanf(string(text[:min(len(text), 40)]), "gap %d-%d", &from, &to); err == nil {
						if from != next+1 || to < from {
							t.Fatalf("a gap from %d to %d after %d messages", from, to, next)
						}
						next = to
						gaps++
					} else if _, err := fmt.Sscan(string(text[:20]), &number); err != nil || number != next || len(text) < 60_000 {
						t.Fatalf("message %d came instead of %d (%d bytes), %v", number, next, len(text), err)
					} else {
						next++
					}
					text = text[:0]
				}
			}
			if (gaps > 0) != (retain < total) {
				t.Errorf("%d gaps, where %d of %d messages are retained", gaps, retain, total)
			}
		})
	}
}

// Goodbye comes after what was to be sent before; what the peer still sends is read and thrown away until it closes.
func TestFinish(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{MaxMessageBytes: 20 << 20}})
	pool := newPool(t, hub, evented.Options{Workers: 1})
	w, peer := attach(t, hub, pool, todoke.Now(), "a")
	const size = 12 << 20 // the kernel does not take it at once
	publish(t, hub, "a", strings.Repeat("x", size))
	finished := make(chan struct{})
	w.Do(func() {
		w.Finish([]byte("goodbye\n"))
		w.Finish([]byte("again\n"))
		w.Send([]byte("late\n"))
		close(finished)
	})
	<-finished
	go peer.Write(make([]byte, 100_000)) // would reset the connection if nobody read it
	got, err := io.ReadAll(peer)
	if err != nil || len(got) != size+1+len("goodbye\n") || !strings.HasSuffix(string(got), "x\ngoodbye\n") {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	peer.Close()
	if err := w.reason(t); err != nil {
		t.Errorf("after goodbye: %v", err)
	}
	publish(t, hub, "a", "to nobody")
	if len(w.closed) > 0 {
		t.Error("Closed was called twice")
	}
}

func TestDrain(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	pool := newPool(t, hub, evented.Options{Workers: 2})
	var peers []*net.TCPConn
	for range 50 {
		_, peer := attach(t, hub, pool, todoke.Now(), "a")
		peers = append(peers, peer)
	}
	publish(t, hub, "a", "1")
	hub.Drain(0)
	for _, peer := range peers {
		got, err := io.ReadAll(peer)
		if err != nil || string(got) != "1\n"+string(todoke.CodeRestarting)+"\n" {
			t.Fatalf("%q %v", got, err)
		}
		peer.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := pool.Wait(ctx); err != nil || pool.Links() != 0 {
		t.Errorf("%v, %d links", err, pool.Links())
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pool.Wait(over); err != nil { // nobody is there to wait for
		t.Error(err)
	}
}

func TestCloseCutsAll(t *testing.T) {
	before := runtime.NumGoroutine()
	hub := newHub(t, todoke.Options{})
	pool := newPool(t, hub, evented.Options{Workers: 2})
	var wires []*wire
	for range 50 {
		w, _ := attach(t, hub, pool, todoke.Now(), "a", "b:*")
		wires = append(wires, w)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pool.Wait(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with 50 links: %v", err)
	}
	pool.Close()
	pool.Close()
	for _, w := range wires {
		if err := w.reason(t); !errors.Is(err, evented.ErrPoolClosed) {
			t.Error(err)
		}
	}
	if pool.Links() != 0 {
		t.Errorf("%d links are left", pool.Links())
	}
	_, ours := connect(t)
	w := &wire{closed: make(chan error, 1)}
	w.Begin(w)
	if err := pool.Attach(&w.Link, ours, nil, func() {}); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a closed pool takes a link: %v", err)
	}
	hub.Close()
	await(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// Links come while the pool is closed: each is either refused or told of its end.
func TestAttachWhileClosing(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	for range 20 {
		pool := newPool(t, hub, evented.Options{Workers: 2})
		type result struct {
			w   *wire
			err error
		}
		results := make(chan result, 8)
		for range 8 {
			_, ours := connect(t)
			sub, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.Now())
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				w := &wire{sub: sub, closed: make(chan error, 2)}
				w.Begin(w)
				err := pool.Attach(&w.Link, ours, sub, func() { w.Follow(sub, w); w.Ready() })
				if err != nil {
					sub.Close()
				}
				results <- result{w, err}
			}()
		}
		pool.Close()
		for range 8 {
			if r := <-results; r.err == nil {
				r.w.reason(t)
			}
		}
		if n := pool.Links(); n != 0 {
			t.Fatalf("%d links are left", n)
		}
	}
}

func TestAttachRefusesTLS(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	pool := newPool(t, hub, evented.Options{})
	peer, ours := connect(t)
	defer ours.Close()
	w := &wire{closed: make(chan error, 1)}
	w.Begin(w)
	if err := pool.Attach(&w.Link, tls.Server(ours, &tls.Config{}), nil, func() { t.Error("started") }); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	io.WriteString(ours, "as it was\n")
	if got := readLines(t, peer, 1); got[0] != "as it was" || pool.Links() != 0 {
		t.Errorf("%q, %d links", got, pool.Links())
	}
}
