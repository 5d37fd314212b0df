//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// turnVisits is how many visits the worker's goroutine makes before it looks at events, and lets others run.
	turnVisits = 64
	// borrowedVisits is how many visits a goroutine that wakes the worker makes for it.
	borrowedVisits = 16
	// owedVisits is how far a worker may be behind before those who bring more wait for a turn and help: else publishers, who
	// are many, would keep the processors from it, and what they publish would be late.
	owedVisits = 256
	// borrowedTurns is how many turns it takes one after the other, where others go on waking the worker meanwhile.
	borrowedTurns = 4
	// turnTimers and turnTasks are how many of them are carried out before others have their turn.
	turnTimers = 256
	turnTasks  = 64
	// readBytes is the size of the one buffer that all of a worker's connections read into.
	readBytes = 64 << 10
)

// A Worker serves a share of the connections, from New to Stop.
type Worker struct {
	work func(most int) (visits int, more bool) // what else is done at a turn
	log  *slog.Logger

	turn   sync.Mutex    // held by whose turn it is
	due    atomic.Bool   // there is something to do that nobody has begun with
	signal chan struct{} // capacity 1: to the goroutine
	ticked atomic.Bool   // the wheel is to be moved on
	owed   atomic.Int64  // visits asked for since everything was done
	count  atomic.Int64  // connections

	mu    sync.Mutex // guards what is handed over
	tasks []func()
	ready []event

	poll    *poller
	stop    chan struct{}
	stopped atomic.Bool
	running sync.WaitGroup // run and the poller

	// Owned by whose turn it is.
	conns      []*Conn // by descriptor
	hungUp     bool    // the event that is told of says so
	generation uint32
	doing      []func()
	wheel      wheel
	buffer     []byte
}

// New starts a worker. work is called at every turn, to make up to most visits; it returns how many it made, and whether there is more.
func New(work func(most int) (visits int, more bool), log *slog.Logger) (*Worker, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		work: work, log: log, poll: poll,
		signal: make(chan struct{}, 1), stop: make(chan struct{}),
		wheel: newWheel(time.Now()), buffer: make([]byte, readBytes),
	}
	w.running.Go(w.run)
	w.running.Go(func() { poll.run(w) })
	return w, nil
}

// Stop carries out the tasks that were accepted, closes every connection, whose handlers are told, and returns when the worker's
// goroutines have ended. It may be called again, but not at the worker's turn.
func (w *Worker) Stop() {
	w.mu.Lock() // so that a task is either accepted before, or refused
	first := !w.stopped.Swap(true)
	w.mu.Unlock()
	if first {
		close(w.stop)
	}
	w.running.Wait()
}

// Connections is how many there are.
func (w *Worker) Connections() int { return int(w.count.Load()) }

// Do has task carried out at the worker's turn. False is returned, and it never is, when the worker was stopped.
func (w *Worker) Do(task func()) bool {
	w.mu.Lock()
	if w.stopped.Load() {
		w.mu.Unlock()
		return false
	}
	w.tasks = append(w.tasks, task)
	w.mu.Unlock()
	w.due.Store(true)
	if w.turn.TryLock() { // never waits: the caller may be at the turn itself
		w.borrow()
	}
	return true
}

// Wake tells the worker that there is something to do, of about so many visits. Few are made by the caller, if nobody else has the turn:
// then no lock may be held that a handler takes.
func (w *Worker) Wake(visits int) {
	w.due.Store(true)
	switch {
	case visits > borrowedVisits:
		w.notify()
	case w.owed.Add(int64(visits)) > owedVisits:
		w.turn.Lock()
		w.borrow()
	case w.turn.TryLock(): // else who has the turn looks at due after giving it up, so that either sees the other
		w.borrow()
	}
}

// notify wakes the goroutine.
func (w *Worker) notify() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// borrow takes a turn on the goroutine of a caller, which has locked it.
func (w *Worker) borrow() {
	defer crash()
	for turns := 1; ; turns++ {
		w.due.Store(false)
		more := w.once(borrowedVisits)
		w.turn.Unlock()
		if more {
			w.due.Store(true)
		}
		if !w.due.Load() {
			return
		}
		if more || turns == borrowedTurns || !w.turn.TryLock() {
			w.notify()
			return
		}
	}
}

// crash ends the process on a panic, as one on the worker's goroutine would: net/http would swallow it, and the turn would never
// be given up.
func crash() {
	if p := recover(); p != nil {
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		go panic(fmt.Sprintf("%v\n\n%s", p, stack))
		select {}
	}
}

// run is the worker's goroutine.
func (w *Worker) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	ticking := true
	for {
		select {
		case <-w.signal:
		case <-ticker.C:
			w.ticked.Store(true)
		case <-w.stop:
			w.end()
			return
		}
		w.takeTurns(ticker.C)
		// Without connections there is nothing to time.
		if busy := w.count.Load() > 0; busy != ticking {
			if ticking = busy; busy {
				ticker.Reset(tick)
			} else {
				ticker.Stop()
			}
		}
	}
}

// takeTurns goes on until there is nothing left to do, or the worker is stopped.
func (w *Worker) takeTurns(ticks <-chan time.Time) {
	w.turn.Lock()
	for {
		w.due.Store(false)
		if (w.once(turnVisits) || w.due.Load()) && !w.stopped.Load() {
			w.turn.Unlock()
			runtime.Gosched()
			select {
			case <-ticks: // however much there is to do, time goes on
				w.ticked.Store(true)
			default:
			}
			w.turn.Lock()
			continue
		}
		w.turn.Unlock()
		if !w.due.Load() || !w.turn.TryLock() {
			return
		}
	}
}

// once does a bounded amount of everything, and reports whether there is more.
func (w *Worker) once(visits int) (more bool) {
	if w.stopped.Load() {
		return false
	}
	events, moreTasks := w.handOver()
	for _, e := range events {
		w.dispatch(e)
	}
	if events != nil {
		w.poll.resume()
	}
	w.carryOut()
	moreTimers := w.expire()
	made, moreVisits := w.work(visits)
	if moreVisits {
		w.owed.Add(-int64(made))
	} else {
		w.owed.Store(0)
	}
	return moreTasks || moreTimers || moreVisits
}

// handOver takes what others have left.
func (w *Worker) handOver() (events []event, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events, w.ready = w.ready, nil
	n := min(len(w.tasks), turnTasks)
	w.doing = append(w.doing, w.tasks[:n]...)
	rest := copy(w.tasks, w.tasks[n:])
	clear(w.tasks[rest:])
	w.tasks = w.tasks[:rest]
	return events, rest > 0
}

// carryOut does what was taken.
func (w *Worker) carryOut() {
	for i, task := range w.doing {
		task()
		w.doing[i] = nil
	}
	w.doing = w.doing[:0]
}

// deliver is called by the poller.
func (w *Worker) deliver(events []event) {
	w.mu.Lock()
	w.ready = events
	w.mu.Unlock()
	w.Wake(len(events))
}

// dispatch tells a connection's handler what has happened, unless the connection is another one than the event is about.
func (w *Worker) dispatch(e event) {
	c := w.find(e.fd())
	if c == nil || c.generation != e.generation() {
		return
	}
	w.hungUp = e.hungUp()
	if e.writable() {
		c.handler.Writable()
	}
	// It may have closed the connection, and even made another one of c.
	if e.readable() && w.find(e.fd()) == c && c.generation == e.generation() {
		c.handler.Readable()
	}
}

func (w *Worker) find(fd int) *Conn {
	if fd < 0 || fd >= len(w.conns) {
		return nil
	}
	return w.conns[fd]
}

// expire tells handlers whose time has come.
func (w *Worker) expire() (more bool) {
	if w.ticked.Swap(false) {
		w.wheel.advance(time.Now())
	}
	for range turnTimers {
		c := w.wheel.next()
		if c == nil {
			return false
		}
		c.handler.Expired()
	}
	return true
}

// end does what was accepted, and closes what is left.
func (w *Worker) end() {
	w.turn.Lock()
	defer w.turn.Unlock()
	for more := true; more; {
		_, more = w.handOver()
		w.carryOut()
	}
	for _, c := range w.conns {
		if c != nil {
			c.handler.Stopped()
		}
	}
	w.poll.close() // at a turn: nobody adds to it meanwhile
}

// Buffer is what connections read into, at the worker's turn; it is free again when the turn is over.
func (w *Worker) Buffer() []byte { return w.buffer }

// HungUp reports, to a handler that is being told that its connection is readable, whether the peer has ended its direction: then what is to
// be read has an end, even where a read gives less than was asked for.
func (w *Worker) HungUp() bool { return w.hungUp }
