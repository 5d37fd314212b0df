//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import "time"

const (
	// tick is how exact timers are. They are for keep-alives and time-outs, of which none is shorter.
	tick = 20 * time.Millisecond
	// spokes times tick is the time of one round. A timer further away goes round again.
	spokes = 1024
	// farthest is the most ticks that a timer is set for, about eight months: more would look like the past.
	farthest = 1 << 30
)

// A timer is a connection's place in the wheel.
type timer struct {
	at    uint32 // tick at which it is due
	place int32  // in the spoke at mod spokes; -1: not set
}

var noTimer = timer{place: -1}

// A wheel holds one timer for each connection: setting, stopping and firing one cost a constant.
type wheel struct {
	began  time.Time
	now    uint32 // ticks since then that were gone through
	turned uint32 // ticks since then
	spokes [][]*Conn
	last   int // index in the present spoke that was looked at
}

func newWheel(now time.Time) wheel { return wheel{began: now, spokes: make([][]*Conn, spokes)} }

// advance moves the time on; next then gives the timers that are due.
func (w *wheel) advance(now time.Time) { w.turned = uint32(now.Sub(w.began) / tick) }

// restart is advance for a wheel without timers, which may not have moved for long.
func (w *wheel) restart(now time.Time) {
	w.advance(now)
	w.now, w.last = w.turned, 0
}

// next takes out a connection whose timer is due, or returns nil.
func (w *wheel) next() *Conn {
	for {
		spoke := w.spokes[w.now%spokes]
		for w.last < len(spoke) {
			c := spoke[w.last]
			if int32(c.timer.at-w.now) <= 0 {
				w.remove(c) // another one takes its place
				return c
			}
			w.last++
		}
		if w.now == w.turned {
			return nil // last stays: what is in the spoke belongs to later rounds, and is not looked at again at each turn
		}
		if len(spoke) == 0 {
			w.spokes[w.now%spokes] = nil // a burst's memory
		}
		w.now++
		w.last = 0
	}
}

func (w *wheel) set(c *Conn, after time.Duration) {
	w.remove(c)
	ticks := after / tick
	if after%tick > 0 {
		ticks++
	}
	c.timer.at = w.turned + uint32(min(max(1, ticks), farthest))
	spoke := &w.spokes[c.timer.at%spokes]
	c.timer.place = int32(len(*spoke))
	*spoke = append(*spoke, c)
}

func (w *wheel) remove(c *Conn) {
	if c.timer.place < 0 {
		return
	}
	if c.timer.at%spokes == w.now%spokes {
		w.last = min(w.last, int(c.timer.place)) // who takes its place has not been looked at
	}
	spoke := &w.spokes[c.timer.at%spokes]
	last := len(*spoke) - 1
	(*spoke)[last].timer.place = c.timer.place
	(*spoke)[c.timer.place] = (*spoke)[last]
	(*spoke)[last] = nil
	*spoke = (*spoke)[:last]
	c.timer.place = -1
}

// SetTimer has the handler told when the time is over, once, in the place of what was set before. A connection that is closed has no timer.
func (c *Conn) SetTimer(after time.Duration) {
	if c.Open() {
		c.worker.wheel.set(c, after)
	}
}

// StopTimer takes back SetTimer.
func (c *Conn) StopTimer() {
	if c.Open() {
		c.worker.wheel.remove(c)
	}
}

// Now counts time in milliseconds from some point on, as exactly as timers are; it is cheap.
func (w *Worker) Now() uint32 { return w.wheel.turned * uint32(tick/time.Millisecond) }
