//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
)

// A connection is closed in each of its handlers, and in another connection's; neither it nor who gets its descriptor is told of what
// was meant for it.
func TestCloseInHandlers(t *testing.T) {
	for _, step := range []string{"readable", "writable", "expired", "another's readable", "another's expired"} {
		t.Run(step, func(t *testing.T) {
			b := start(t, nil)
			p, other := &probe{}, &probe{}
			closed := make(chan struct{}, 1)
			shut := func() {
				p.Close()
				p.Close() // and again
				select {
				case closed <- struct{}{}:
				default: // the other one is told again when its peer goes
				}
			}
			switch step {
			case "readable":
				p.onReadable = shut
			case "writable":
				p.onWritable = func() {
					if p.writables == 1 { // the first event of a new connection says that there is room
						shut()
					}
				}
			case "expired":
				p.onExpired = shut
			case "another's readable":
				other.onReadable = shut
			case "another's expired":
				other.onExpired = shut
			}
			otherPeer := b.add(other)
			peer := b.add(p)
			b.do(func() {
				switch step {
				case "expired":
					p.SetTimer(tick)
				case "another's expired":
					other.SetTimer(tick)
					p.SetTimer(tick)
				}
			})
			switch step {
			case "readable":
				io.WriteString(peer, "x")
			case "another's readable":
				io.WriteString(otherPeer, "x")
				io.WriteString(peer, "x")
			}
			<-closed
			if _, err := io.ReadAll(peer); err == nil || b.Connections() != 1 {
				await(t, "the connection to be closed", func() bool { return b.Connections() == 1 })
			}
		})
	}
}

// A batch of events is dispatched after their connections were closed, and others have got their descriptors: they reach nobody.
func TestStaleEvents(t *testing.T) {
	b := start(t, nil)
	for range 50 {
		old, fresh := &probe{}, &probe{b: b}
		b.add(old)
		_, ours := connect(t)
		fd, err := Detach(ours, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		b.do(func() {
			stale := event{Fd: old.fd, Pad: int32(old.generation), Events: 0x1 | 0x4} // EPOLLIN, EPOLLOUT
			number := old.fd
			if err := syscall.Dup3(fd, int(number), syscall.O_CLOEXEC); err != nil { // closes old's, as Close and an accept would
				t.Error(err)
				return
			}
			b.conns[number] = nil
			b.count.Add(-1)
			old.fd = -1
			Discard(fd)
			if err := b.Add(&fresh.Conn, int(number), fresh); err != nil {
				t.Error(err)
			}
			b.inTurn.Add(-1) // dispatch enters by itself
			b.dispatch(stale)
			b.inTurn.Add(1)
			if fresh.readables+fresh.writables > 0 {
				t.Error("a stale event reached the new connection")
			}
			fresh.Close()
			b.inTurn.Add(-1)
			b.dispatch(stale)
			b.inTurn.Add(1)
		})
	}
}

// The same Conn is closed in Writable and is another connection at once: what the event also said was about the old one.
func TestConnUsedAgainInWritable(t *testing.T) {
	b := start(t, nil)
	p := &probe{}
	_, ours := connect(t)
	fd, err := Detach(ours, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p.onWritable = func() {
		if p.writables == 1 {
			p.Close()
			if err := b.Add(&p.Conn, fd, p); err != nil {
				t.Error(err)
			}
		}
	}
	p.onReadable = func() { t.Error("the new connection has nothing to read") }
	peer, first := connect(t)
	io.WriteString(peer, "for the old one")
	firstFD, err := Detach(first, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p.b = b
	b.do(func() {
		if err := b.Add(&p.Conn, firstFD, p); err != nil {
			t.Error(err)
		}
	})
	await(t, "both events", func() (both bool) {
		b.do(func() { both = p.writables >= 2 })
		return both
	})
	b.do(func() { p.onReadable = nil }) // the peers close now
}

// Connections come and go quickly, so that descriptors are used again all the time; each peer gets its own answer.
func TestDescriptorsUsedAgain(t *testing.T) {
	b := start(t, nil)
	done := make(chan error, 4)
	for g := range 4 {
		go func() {
			done <- func() error {
				for i := range 200 {
					if err := b.echoOnce(byte(g*50 + i%50)); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	await(t, "all to be closed", func() bool { return b.Connections() == 0 })
}

func (b *bench) echoOnce(mark byte) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	defer peer.Close()
	ours, err := listener.Accept()
	if err != nil {
		return err
	}
	fd, err := Detach(ours, time.Minute)
	if err != nil {
		return err
	}
	p := &probe{b: b}
	p.onReadable = func() {
		var data []byte
		p.receive(&data)
		if len(data) != 1 || data[0] != mark {
			b.t.Errorf("%v came instead of %d", data, mark)
		}
		p.Send(data)
		p.Close()
	}
	b.Do(func() { b.Add(&p.Conn, fd, p) })
	peer.Write([]byte{mark})
	got, err := io.ReadAll(peer)
	if err == nil && (len(got) != 1 || got[0] != mark) {
		b.t.Errorf("%v was answered instead of %d", got, mark)
	}
	return err
}

// Timers come in order; one that is set again comes once, at its last time, one that is stopped never.
func TestTimers(t *testing.T) {
	b := start(t, nil)
	var order []int
	var probes []*probe
	for i := range 6 {
		p := &probe{}
		p.onExpired = func() {
			order = append(order, i)
			switch i {
			case 1:
				probes[4].Close() // while expiring
				probes[2].StopTimer()
			case 3:
				if p.expired == 1 {
					p.SetTimer(3 * tick)
				}
			}
		}
		b.add(p)
		probes = append(probes, p)
	}
	b.do(func() {
		for i, after := range []time.Duration{6, 3, 3, 3, 3, 1} {
			probes[i].SetTimer(after * tick)
		}
		probes[2].SetTimer(4 * tick)
		probes[4].SetTimer(5 * tick)
		probes[5].SetTimer(9 * tick)
	})
	await(t, "the last timers", func() (last bool) { // on a machine that stands still for a while the one set again comes last
		b.do(func() { last = slices.Contains(order, 5) && probes[3].expired == 2 })
		return last
	})
	b.do(func() {
		seen := map[int]int{}
		for _, i := range order {
			seen[i]++
		}
		if seen[0] != 1 || seen[1] != 1 || seen[2] != 0 || seen[3] != 2 || seen[4] != 0 || seen[5] != 1 {
			t.Errorf("timers came in the order %v", order)
		}
		if order[0] != 1 && order[0] != 3 {
			t.Errorf("timers came in the order %v", order)
		}
	})
}

// A burst of timers due at once is gone through while others have their turn.
func TestTimerBurst(t *testing.T) {
	b := start(t, nil)
	p := &probe{}
	b.add(p) // so that the clock runs
	const timers = 10_000
	came, turns, since := 0, 0, 0
	counter := &probe{b: b}
	counter.onExpired = func() {}
	b.do(func() {
		for range timers {
			c := &Conn{worker: b.Worker, handler: expiring(func() {
				if came++; turns > since {
					since = turns
				}
			}), fd: 1 << 20, timer: noTimer} // not one of the worker's: only its timer is looked at
			b.wheel.set(c, 2*tick)
		}
	})
	await(t, "all timers", func() (all bool) {
		b.do(func() { turns++; all = came == timers })
		return all
	})
	if turns < 2 {
		t.Error("no task had its turn before the last of the timers")
	}
}

// expiring is a handler of timers only.
type expiring func()

func (e expiring) Expired() { e() }
func (expiring) Readable()  {}
func (expiring) Writable()  {}
func (expiring) Stopped()   {}

// A worker whose last connection was long ago begins to count the time anew.
func TestTimersAfterAWhileWithout(t *testing.T) {
	b := start(t, nil)
	b.do(func() { b.wheel.began = b.wheel.began.Add(-time.Hour) }) // as if it had begun an hour earlier
	p := &probe{}
	expired := make(chan time.Time, 1)
	p.onExpired = func() { expired <- time.Now() }
	b.add(p)
	var set time.Time
	b.do(func() { set = time.Now(); p.SetTimer(10 * tick) })
	if at := <-expired; at.Sub(set) < 8*tick {
		t.Errorf("a timer of %v came after %v", 10*tick, at.Sub(set))
	}
	b.do(func() { p.Close() })
	b.do(func() { b.wheel.began = b.wheel.began.Add(-time.Hour) })
	again := &probe{onExpired: func() { expired <- time.Now() }}
	b.add(again)
	b.do(func() { set = time.Now(); again.SetTimer(10 * tick) })
	if at := <-expired; at.Sub(set) < 8*tick {
		t.Errorf("a timer of %v came after %v", 10*tick, at.Sub(set))
	}
}
