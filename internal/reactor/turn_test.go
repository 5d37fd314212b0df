//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many goroutines hand work over and wake the worker, for few and for many visits; everything due is done, and no two have the turn.
func TestNoWakeUpIsLost(t *testing.T) {
	var handed, done atomic.Int64
	b := start(t, func(most int) (visits int, more bool) {
		for visits < most && done.Load() < handed.Load() {
			done.Add(1)
			visits++
		}
		return visits, done.Load() < handed.Load()
	})
	for round := range 200 {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 25 {
					n := int64(1 + (i*g+round)%40)
					handed.Add(n)
					b.Wake(int(n))
				}
			})
		}
		wg.Wait() // now nobody wakes any more
		await(t, "everything that was handed over", func() bool { return done.Load() == handed.Load() })
	}
}

// Tasks are carried out in the order of each giver, at turns.
func TestTasksInOrder(t *testing.T) {
	b := start(t, nil)
	const givers, each = 8, 2000
	next := make([]int, givers) // at the turn
	var wg sync.WaitGroup
	for g := range givers {
		wg.Go(func() {
			for i := range each {
				if !b.Do(func() {
					defer b.enter()()
					if next[g] != i {
						t.Errorf("giver %d: task %d instead of %d", g, i, next[g])
					}
					next[g] = i + 1
				}) {
					t.Error("a task was refused")
				}
			}
		})
	}
	wg.Wait()
	await(t, "all tasks", func() (all bool) {
		b.do(func() {
			all = true
			for _, n := range next {
				all = all && n == each
			}
		})
		return all
	})
}

// A task is carried out or refused, never dropped: who gave a descriptor with it could otherwise not close it.
func TestDoWhileStopping(t *testing.T) {
	for range 200 {
		w, err := New(func(int) (int, bool) { return 0, false }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var accepted, done atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for w.Do(func() { done.Add(1) }) {
					accepted.Add(1)
				}
			})
		}
		await(t, "some tasks", func() bool { return accepted.Load() > 20 })
		w.Stop()
		wg.Wait()
		if w.Do(func() { done.Add(1) }) {
			t.Fatal("a task was accepted after Stop")
		}
		w.Stop()
		if done.Load() != accepted.Load() {
			t.Fatalf("%d of %d tasks were carried out", done.Load(), accepted.Load())
		}
	}
}

func TestStopClosesConnections(t *testing.T) {
	b := start(t, nil)
	var probes []*probe
	for range 20 {
		p := &probe{}
		b.add(p)
		probes = append(probes, p)
	}
	peer := b.add(&probe{})
	if n := b.Connections(); n != 21 {
		t.Fatalf("%d connections", n)
	}
	b.do(func() { probes[0].SetTimer(tick) })
	b.Stop()
	for i, p := range probes {
		if p.stops != 1 || p.Open() {
			t.Errorf("connection %d: Stopped was called %d times, open: %v", i, p.stops, p.Open())
		}
	}
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("a peer was not told")
	}
	if n := b.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// A worker that is never idle still counts the time: time-outs are most needed then.
func TestTimersOfABusyWorker(t *testing.T) {
	var idle atomic.Bool
	b := start(t, func(int) (int, bool) { return 1, !idle.Load() })
	p := &probe{}
	expired := make(chan struct{})
	p.onExpired = func() { close(expired) }
	b.add(p)
	b.do(func() { p.SetTimer(3 * tick) })
	select {
	case <-expired:
	case <-time.After(5 * time.Second):
		t.Error("no timer while there is always something to do")
	}
	idle.Store(true)
}

// Stop ends a worker that always has something to do, and that others go on waking.
func TestStopABusyWorker(t *testing.T) {
	b := start(t, func(int) (int, bool) { return 1, true })
	var wg sync.WaitGroup
	over := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					b.Wake(100)
				}
			}
		})
	}
	stopped := make(chan struct{})
	go func() { b.Stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Error("Stop does not return")
	}
	close(over)
	wg.Wait()
}

// Who wakes an idle worker is given back soon, however much others add meanwhile.
func TestBorrowedTurnsAreFew(t *testing.T) {
	var w *bench
	var busy atomic.Bool
	borrowed := 0 // at the turn
	w = start(t, func(int) (int, bool) {
		if busy.Load() {
			if borrowedTurn() {
				borrowed++
			}
			w.due.Store(true) // as if another goroutine had come during each turn
		}
		return 1, false
	})
	for range 20 {
		busy.Store(true)
		w.Wake(1)
		busy.Store(false)
		w.do(func() {
			if borrowed > borrowedTurns {
				t.Errorf("a goroutine that woke the worker made %d turns for it", borrowed)
			}
			borrowed = 0
		})
	}
}

// borrowedTurn reports whether the turn is one of who woke the worker.
func borrowedTurn() bool {
	var room [32]uintptr
	frames := runtime.CallersFrames(room[:runtime.Callers(0, room[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, ").borrow") {
			return true
		}
		if !more {
			return false
		}
	}
}

// A panic at a borrowed turn would be swallowed by net/http, and the worker would be dead: the process ends instead, and says of what.
func TestPanicEndsTheProcess(t *testing.T) {
	const child = "TODOKE_REACTOR_PANIC"
	if os.Getenv(child) != "" {
		panicAtABorrowedTurn()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanicEndsTheProcess$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the handler's own words") || !strings.Contains(string(out), "panicAtABorrowedTurn") {
		t.Errorf("%v\n%s", err, out)
	}
}

func panicAtABorrowedTurn() {
	var armed atomic.Bool
	w, err := New(func(int) (int, bool) {
		if armed.Load() {
			panic("the handler's own words")
		}
		return 0, false
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return
	}
	defer func() {
		recover() // as net/http does
		os.Exit(0)
	}()
	for w.turn.TryLock() { // the goroutine is idle: the turn is borrowed
		w.turn.Unlock()
		armed.Store(true)
		w.Wake(1)
	}
}
