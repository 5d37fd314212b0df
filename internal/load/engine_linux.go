package load

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"github.com/todoke-dev/todoke/internal/load/adapter"
	"github.com/todoke-dev/todoke/internal/load/payload"
	"github.com/todoke-dev/todoke/internal/load/sequence"
	"github.com/todoke-dev/todoke/internal/load/wire"
)

const (
	readBytes  = 256 << 10
	maxEvents  = 128 // between two looks at the clock, so that publishes are not sent late
	longest    = time.Minute
	longestGap = 20 * time.Millisecond // between two looks at what is waited for
)

var errStuck = errors.New("nothing more came")

// An engine holds all connections of a run. All of it belongs to the goroutine of Run.
type engine struct {
	config Config
	target adapter.Target
	dialer *dialer
	accept string // Sec-WebSocket-Accept
	epoll  int
	events [maxEvents]unix.EpollEvent
	buf    []byte
	start  time.Time

	run      payload.Run
	conns    []*conn
	readers  []*conn
	pubs     []*publisher
	lanes    int
	numbers  []uint64 // the next number of each channel and lane, as published
	expected []uint64 // the next number of each reader and lane
	missing  []*sequence.Missing
	audience []int64 // readers of each channel that are waited for
	plan     plan

	// The connection whose bytes are being read, and when they had been.
	current *conn
	read    int64
	onBody  wire.Sink           // e.data
	onStamp func(payload.Stamp) // e.take

	latency, ack *hdrhistogram.Histogram
	total        totals
	moved        int64           // when something last happened
	gapped       int             // readers that were told of a gap
	each         func(now int64) // is called in every turn; nil: nothing is
	ended        []*conn         // readers with a track that the server ended, for each
	failure      error           // ends the run
	firstError   string          // of a publish
}

// totals count since the window began, but for the last three.
type totals struct {
	deliveries, published, bytes, misplaced, closed, refused int64
	fault                                                    sequence.Fault

	due       int64 // deliveries that have to come of what was answered
	delivered int64 // that came, each once
	ready     int   // connections
}

func newEngine(c Config) (*engine, error) {
	target, err := adapter.ParseTarget(c.URL, c.Token)
	if err != nil {
		return nil, err
	}
	d, err := newDialer(target.Address())
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", c.URL, err)
	}
	connections := c.Readers
	if c.Scenario != "idle" && c.Scenario != "connect" {
		connections += c.Publishers
	}
	if err := roomFor(connections); err != nil {
		return nil, err
	}
	e := &engine{
		config: c, target: target, dialer: d, accept: wire.AcceptOf(adapter.Key), start: time.Now(), buf: make([]byte, readBytes),
		run: payload.NewRun(uint32(time.Now().UnixNano() >> 16)), lanes: c.lanes(),
		latency: hdrhistogram.New(1000, int64(longest), 3), ack: hdrhistogram.New(1000, int64(longest), 3),
	}
	e.numbers = make([]uint64, c.Channels*e.lanes)
	e.expected = make([]uint64, c.Readers*e.lanes)
	e.missing = make([]*sequence.Missing, c.Readers*e.lanes)
	e.audience = make([]int64, c.Channels)
	e.onBody, e.onStamp = e.data, e.take
	if e.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("making an epoll: %w", err)
	}
	return e, nil
}

// close ends all connections.
func (e *engine) close() {
	for _, c := range e.conns {
		e.drop(c)
	}
	unix.Close(e.epoll)
}

// now is the generator's clock, in ns.
func (e *engine) now() int64 { return int64(time.Since(e.start)) }

// channel is the name of a channel. Its length is always the same.
func (e *engine) channel(i uint32) string { return fmt.Sprintf("b%s-%08d", e.run.Name(), i) }

// until turns the loop until done says so. It fails when ctx ends, when a connection fails that must not, and when nothing
// has happened for Config.Patience.
func (e *engine) until(ctx context.Context, done func() bool) error {
	e.moved = e.now()
	for !done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.failure != nil {
			return e.failure
		}
		now := e.now()
		if now-e.moved > int64(e.config.Patience) {
			return fmt.Errorf("%w for %v", errStuck, e.config.Patience)
		}
		if err := e.turn(min(e.plan.next(now), now+int64(longestGap))); err != nil {
			return err
		}
	}
	return nil
}

// watch turns the loop for a time.
func (e *engine) watch(ctx context.Context, d time.Duration) error {
	end := e.now() + int64(d)
	return e.until(ctx, func() bool {
		now := e.now()
		e.moved = now
		return now >= end
	})
}

// turn handles what has happened, waiting for it until wake at most, and sends what is due.
func (e *engine) turn(wake int64) error {
	n, err := e.wait(wake - e.now())
	if err != nil {
		return fmt.Errorf("waiting for events: %w", err)
	}
	for i := range n {
		event := &e.events[i]
		if c := e.conns[event.Fd]; c.fd >= 0 { // one that was closed in this very turn has no more events
			e.handle(c, event.Events)
		}
	}
	if n > 0 {
		e.moved = e.now()
	}
	now := e.now()
	e.publishDue(now)
	if e.each != nil {
		e.each(now)
	}
	return nil
}

// wait is epoll_pwait2, whose time-out is exact to the nanosecond; epoll_wait's milliseconds would make every publish late.
func (e *engine) wait(ns int64) (int, error) {
	timeout := unix.NsecToTimespec(max(ns, 0))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(e.epoll), uintptr(unsafe.Pointer(&e.events[0])), maxEvents,
		uintptr(unsafe.Pointer(&timeout)), 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	case unix.ENOSYS: // before Linux 5.11
		n, err := unix.EpollWait(e.epoll, e.events[:], int(max(ns, 0)/int64(time.Millisecond)))
		if err == unix.EINTR {
			return 0, nil
		}
		return n, err
	}
	return 0, errno
}

// take counts a message that the current reader got.
func (e *engine) take(s payload.Stamp) {
	c := e.current
	if s.Channel != c.channel || int(s.Lane) >= e.lanes || c.reader < 0 {
		e.total.misplaced++
		return
	}
	e.total.deliveries++
	i := c.reader*e.lanes + int(s.Lane)
	next := &e.expected[i]
	if s.Number == *next {
		*next++
		e.total.delivered += c.counts
	} else {
		before := e.total.fault
		*next = sequence.Check(*next, s.Number, &e.missing[i], &e.total.fault)
		if e.total.fault.Duplicated == before.Duplicated {
			e.total.delivered += c.counts
		}
	}
	c.order = c.order*0x9e3779b97f4a7c15 + s.Number<<12 + uint64(s.Lane)
	if c.counts > 0 {
		_ = e.latency.RecordValue(min(e.read-s.Due, int64(longest)))
	}
}

// begin starts a window: what was counted before is forgotten.
func (e *engine) begin() {
	e.latency.Reset()
	e.ack.Reset()
	t := &e.total
	t.deliveries, t.published, t.bytes = 0, 0, 0
}
