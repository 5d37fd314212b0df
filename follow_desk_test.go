package todoke_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// A desk is a goroutine that follows: it takes a follower's turns, as a transport's worker does.
type desk struct {
	t      testing.TB
	hub    *todoke.Hub
	f      *todoke.Follower
	r      *rand.Rand
	signal chan struct{}
	tasks  chan func()
	stop   context.CancelFunc
	done   chan struct{}

	blocked []*tap // whose peers take nothing at present; the desk's
}

func openDesk(t testing.TB, hub *todoke.Hub, seed uint64) *desk {
	ctx, stop := context.WithCancel(context.Background())
	d := &desk{
		t: t, hub: hub, r: rand.New(rand.NewPCG(seed, 7)), stop: stop,
		signal: make(chan struct{}, 1), tasks: make(chan func()), done: make(chan struct{}),
	}
	d.f = hub.NewFollower(func(int) {
		select {
		case d.signal <- struct{}{}:
		default:
		}
	})
	go d.run(ctx)
	t.Cleanup(func() { stop(); <-d.done })
	return d
}

func (d *desk) run(ctx context.Context) {
	defer close(d.done)
	for {
		select {
		case <-d.signal:
		case task := <-d.tasks:
			task()
		case <-ctx.Done():
			return
		}
		for more := true; more && ctx.Err() == nil; {
			most := 1 + d.r.IntN(20)
			visits, left := d.f.Turn(most)
			if visits > most {
				d.t.Errorf("%d visits at a turn of %d", visits, most)
			}
			select { // between turns, as on a worker
			case task := <-d.tasks:
				task()
			default:
			}
			more = d.unblock() || left
		}
	}
}

// unblock gives some of the peers that took nothing room again, and reports whether there are any left.
func (d *desk) unblock() bool {
	for range min(len(d.blocked), 3) {
		i := d.r.IntN(len(d.blocked))
		tap := d.blocked[i]
		d.blocked = slices.Delete(d.blocked, i, i+1)
		tap.out = append(tap.out, tap.rest...)
		tap.rest, tap.blocked = nil, false
		tap.Ready()
	}
	return len(d.blocked) > 0
}

// do has task carried out between turns, and waits for it.
func (d *desk) do(task func()) {
	d.t.Helper()
	done := make(chan struct{})
	select {
	case d.tasks <- func() { task(); close(done) }:
		<-done
	case <-d.done:
	case <-time.After(30 * time.Second):
		d.t.Error("the desk does not come to its task")
	}
}

// A tap is a reader at a desk, and what came out of it.
type tap struct {
	d     *desk
	sub   *todoke.Subscription
	names []string
	from  todoke.Position
	quiet bool // what is gone at the beginning is not told of
	short bool // its peer takes some of what it is given, and goes on later

	// The desk's.
	out     []byte
	rest    []byte
	blocked bool
	chasing bool
	closed  bool
	err     error
	visits  atomic.Int64
	removed []string
	idle    []mark // where it was caught up
	onReady func()
}

// A mark says that everything up to the position was in out.
type mark struct {
	length int
	at     todoke.Offset
}

func (d *desk) open(since todoke.Since, names ...string) *tap {
	d.t.Helper()
	sub, err := d.hub.Subscribe(context.Background(), names, since)
	if err != nil {
		d.t.Error(err)
		return nil
	}
	_, isPosition := since.Position()
	tap := &tap{d: d, sub: sub, names: names, from: sub.Position(), quiet: !isPosition && since != todoke.Now()}
	return tap
}

// follow begins at the desk. It is called there, or through do.
func (tap *tap) follow() {
	tap.sub.Follow(tap.d.f, tap)
	tap.Ready()
}

func (tap *tap) close() {
	tap.closed = true
	if !tap.chasing {
		tap.sub.Close()
	}
}

// Ready implements todoke.Reader.
func (tap *tap) Ready() {
	tap.visits.Add(1)
	if tap.onReady != nil {
		tap.onReady()
	}
	for !tap.closed && !tap.blocked && !tap.chasing && tap.err == nil {
		frames, ok, err := tap.sub.TryReadFrames(lineFormat{})
		switch {
		case err != nil:
			tap.err = err
			return
		case !ok:
			tap.chase()
			return
		case len(frames.Bytes) == 0:
			tap.idle = append(tap.idle, mark{len(tap.out), frames.Position.Offset})
			return
		}
		tap.write(frames)
		if !frames.More && !tap.blocked {
			tap.idle = append(tap.idle, mark{len(tap.out), frames.Position.Offset})
			return
		}
	}
}

// write gives the peer the frames, or a part of them.
func (tap *tap) write(frames todoke.Frames) {
	sent := len(frames.Bytes)
	if tap.short && tap.d.r.IntN(3) > 0 {
		sent = tap.d.r.IntN(len(frames.Bytes))
	}
	tap.out = append(tap.out, frames.Bytes[:sent]...)
	if sent < len(frames.Bytes) {
		tap.rest = tap.sub.Rewind(frames, sent)
		tap.blocked = true
		tap.d.blocked = append(tap.d.blocked, tap)
	}
}

// chase reads on another goroutine, as a transport does where the engine takes time.
func (tap *tap) chase() {
	tap.chasing = true
	go func() {
		frames, err := tap.sub.ReadFrames(context.Background(), lineFormat{})
		tap.d.do(func() {
			tap.chasing = false
			switch {
			case tap.closed:
				tap.sub.Close()
			case err != nil:
				tap.err = err
			default:
				tap.out = append(tap.out, frames.Bytes...)
				tap.Ready()
			}
		})
	}()
}

// await waits until everything published up to the position has come out.
func (tap *tap) await(until todoke.Position) {
	tap.d.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		reached := false
		var at todoke.Position
		var err error
		tap.d.do(func() {
			err = tap.err
			if reached = tap.closed || err != nil; !reached && !tap.blocked && !tap.chasing {
				at = tap.sub.Position()
				reached = at.Epoch == until.Epoch && at.Offset >= until.Offset
			}
		})
		if err != nil {
			tap.d.t.Errorf("a reader of %v ended: %v", tap.names, err)
		}
		if reached {
			return
		}
		if time.Now().After(deadline) {
			tap.d.t.Fatalf("a reader of %v stays at %v; it should come to %v (blocked %v, chasing %v)", tap.names, at, until, tap.blocked, tap.chasing)
		}
	}
}

// lineFormat has a line for each frame: position, channel, length of the data, which is left out.
type lineFormat struct{}

func (lineFormat) AppendMessage(dst []byte, m *todoke.Message) []byte {
	dst = fmt.Appendf(dst, "m %d %s %d ", m.Position.Offset, m.Channel, len(m.Data))
	return append(append(dst, m.Data...), '\n')
}

func (lineFormat) AppendGap(dst []byte, g todoke.Gap) []byte {
	return fmt.Appendf(dst, "g %d %s %d %v\n", g.To.Offset, g.Channel, g.From.Offset, g.Possible)
}

// A ledger knows everything that was published.
type ledger struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	offset  todoke.Offset
	channel string
	data    string
}

// publish appends a message and notes it.
func (l *ledger) publish(t testing.TB, hub *todoke.Hub, channel, data string) todoke.Position {
	t.Helper()
	p, err := hub.Publish(context.Background(), todoke.Message{Channel: channel, Data: []byte(data)})
	if err != nil {
		t.Error(err)
		return todoke.Position{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry{p.Position.Offset, channel, data})
	return p.Position
}

// check compares what a tap gave with all that was published on its channels after its beginning: each message once, in
// the order of the log, but for what a gap before it says is gone. It is called when the tap is at rest; whole says that it has everything.
func (l *ledger) check(tap *tap, whole bool) {
	tap.d.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.entries, func(a, b entry) int { return int(a.offset) - int(b.offset) })
	c := checker{tap: tap, owed: map[string][]entry{}}
	for _, e := range l.entries {
		if e.offset > tap.from.Offset && tap.wants(e.channel) {
			c.owed[e.channel] = append(c.owed[e.channel], e)
		}
	}
	c.run(whole)
}

func (tap *tap) wants(channel string) bool {
	return slices.ContainsFunc(tap.names, func(name string) bool { return todoke.MatchPattern(name, channel) })
}

type checker struct {
	tap    *tap
	owed   map[string][]entry // by channel
	begun  map[string]bool
	last   todoke.Offset
	failed bool
}

func (c *checker) fail(format string, args ...any) {
	c.tap.d.t.Helper()
	if !c.failed {
		c.tap.d.t.Errorf("reader of %v from %v: %s", c.tap.names, c.tap.from, fmt.Sprintf(format, args...))
	}
	c.failed = true
}

func (c *checker) run(whole bool) {
	c.tap.d.t.Helper()
	c.begun = map[string]bool{}
	out, idle, read := c.tap.out, c.tap.idle, 0
	for !c.failed {
		for len(idle) > 0 && idle[0].length <= read {
			c.caughtUp(idle[0].at)
			idle = idle[1:]
		}
		line, rest, found := bytes.Cut(out[read:], []byte("\n"))
		if !found {
			if len(line) > 0 && !c.tap.closed && c.tap.err == nil {
				c.fail("a frame was cut and never finished: %.60q", line)
			}
			break
		}
		c.take(string(line))
		read = len(out) - len(rest)
	}
	if !whole || c.failed {
		return
	}
	for channel, owed := range c.owed {
		if len(owed) > 0 && !slices.Contains(c.tap.removed, channel) {
			c.fail("%d messages of %s never came, the first at %d", len(owed), channel, owed[0].offset)
		}
	}
}

// caughtUp: nothing is owed up to the position that the reader said it has.
func (c *checker) caughtUp(at todoke.Offset) {
	for channel, owed := range c.owed {
		if len(owed) > 0 && owed[0].offset <= at && !c.tap.quiet && !slices.Contains(c.tap.removed, channel) {
			c.fail("it said that it has everything up to %d, but %d of %s had not come", at, owed[0].offset, channel)
		}
	}
}

func (c *checker) take(line string) {
	words := strings.SplitN(line, " ", 5)
	if len(words) != 5 {
		c.fail("%.60q is no frame", line)
		return
	}
	n, _ := strconv.ParseUint(words[1], 10, 64)
	offset, channel := todoke.Offset(n), words[2]
	owed := c.owed[channel]
	if words[0] == "g" {
		from, _ := strconv.ParseUint(words[3], 10, 64)
		c.takeGap(channel, todoke.Offset(from), offset, words[4] == "true")
		return
	}
	if c.tap.quiet && !c.begun[channel] {
		for len(owed) > 0 && owed[0].offset < offset {
			owed = owed[1:]
		}
	}
	c.begun[channel] = true
	switch {
	case offset <= c.last:
		c.fail("%d of %s came after %d", offset, channel, c.last)
	case len(owed) == 0:
		c.fail("%d of %s came, but nothing was owed of it", offset, channel)
	case owed[0].offset != offset:
		c.fail("%d of %s came, but %d was next", offset, channel, owed[0].offset)
	case owed[0].data != words[4] || strconv.Itoa(len(words[4])) != words[3]:
		c.fail("%d of %s has other data: %.40q", offset, channel, words[4])
	default:
		c.owed[channel] = owed[1:]
	}
	c.last = offset
}

// takeGap: an exact gap ends with a message of the channel that is owed, and begins where the reader was.
func (c *checker) takeGap(channel string, from, to todoke.Offset, possible bool) {
	owed := c.owed[channel]
	for c.tap.quiet && !c.begun[channel] && len(owed) > 0 && owed[0].offset < from {
		owed = owed[1:]
	}
	if from > to || len(owed) > 0 && owed[0].offset < from {
		c.fail("gap of %s from %d to %d, but %d had not come", channel, from, to, owed[0].offset)
		return
	}
	i := 0
	for i < len(owed) && owed[i].offset <= to {
		i++
	}
	if !possible && (i == 0 || owed[i-1].offset != to) {
		c.fail("gap of %s from %d to %d does not end with what was lost", channel, from, to)
	}
	c.owed[channel] = owed[i:]
	c.begun[channel] = true
}
