//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// await waits for a condition that something else brings about.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// A bench is a worker under test. It checks that turns exclude each other, and that nothing is left behind.
type bench struct {
	*Worker
	t      testing.TB
	inTurn atomic.Int32
}

// start makes a worker. work may be nil.
func start(t testing.TB, work func(most int) (int, bool)) *bench {
	t.Helper()
	leavesNothing(t)
	b := &bench{t: t}
	w, err := New(func(most int) (int, bool) {
		defer b.enter()()
		if work == nil {
			return 0, false
		}
		return work(most)
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.Worker = w
	t.Cleanup(w.Stop)
	return b
}

// enter notes that a turn's work has begun; what it returns, that it is over.
func (b *bench) enter() func() {
	if n := b.inTurn.Add(1); n != 1 {
		b.t.Errorf("%d goroutines have the worker's turn", n)
	}
	return func() { b.inTurn.Add(-1) }
}

// do has task carried out at a turn, and waits for it.
func (b *bench) do(task func()) {
	b.t.Helper()
	done := make(chan struct{})
	if !b.Do(func() {
		defer b.enter()()
		task()
		close(done)
	}) {
		b.t.Fatal("the worker refuses a task")
	}
	select {
	case <-done:
	case <-time.After(patience):
		b.t.Fatal("a task was not carried out")
	}
}

// A probe is a connection whose handlers tests set; those that are nil do nothing.
type probe struct {
	Conn
	b                                    *bench
	onReadable, onWritable, onExpired    func()
	readables, writables, expired, stops int // at the turn
}

func (p *probe) Readable() { p.tell(&p.readables, p.onReadable) }
func (p *probe) Writable() { p.tell(&p.writables, p.onWritable) }
func (p *probe) Expired()  { p.tell(&p.expired, p.onExpired) }
func (p *probe) Stopped()  { p.tell(&p.stops, p.Close) }

func (p *probe) tell(count *int, then func()) {
	defer p.b.enter()()
	*count++
	if !p.Open() {
		p.b.t.Error("a connection that was closed is told of something")
	}
	if then != nil {
		then()
	}
}

// connect returns both ends of a connection over loopback.
func connect(t testing.TB) (peer, ours *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := listener.Accept()
		accepted <- conn
	}()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	conn := <-accepted
	if conn == nil {
		t.Fatal("nothing was accepted")
	}
	return dialed.(*net.TCPConn), conn.(*net.TCPConn)
}

// add gives the worker a new connection, at a turn.
func (b *bench) add(p *probe) (peer *net.TCPConn) {
	b.t.Helper()
	peer, ours := connect(b.t)
	fd, err := Detach(ours, time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	p.b = b
	b.do(func() {
		if err := b.Add(&p.Conn, fd, p); err != nil {
			b.t.Error(err)
		}
	})
	return peer
}

// receive reads all there is, and returns how it ended.
func (p *probe) receive(got *[]byte) error {
	for {
		n, err := p.Receive(p.b.Buffer())
		if err != nil {
			return err
		}
		*got = append(*got, p.b.Buffer()[:n]...)
	}
}

// leavesNothing fails the test if it leaves goroutines or descriptors behind.
func leavesNothing(t testing.TB) {
	t.Helper()
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close() // the runtime's own poller has its descriptors from now on
	}
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	t.Cleanup(func() {
		deadline := time.Now().Add(patience)
		for runtime.NumGoroutine() > goroutines || openDescriptors(t) > descriptors {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines, %d descriptors are left; %d and %d were there",
					runtime.NumGoroutine(), openDescriptors(t), goroutines, descriptors)
			}
			runtime.Gosched()
		}
	})
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("no /proc")
		}
		t.Fatal(err)
	}
	return len(list)
}
