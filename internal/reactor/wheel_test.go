//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A wheelModel is a wheel beside what it should do: for each connection, the tick at which it is due.
type wheelModel struct {
	t     *testing.T
	wheel wheel
	began time.Time
	conns []*Conn
	due   map[*Conn]int // by tick
	tick  int           // the present one
	given int           // the tick of the last timer given
}

func newWheelModel(t *testing.T, conns int) *wheelModel {
	began := time.Unix(1, 0)
	m := &wheelModel{t: t, wheel: newWheel(began), began: began, due: map[*Conn]int{}}
	for range conns {
		m.conns = append(m.conns, &Conn{timer: noTimer})
	}
	return m
}

func (m *wheelModel) set(c *Conn, after time.Duration) {
	m.wheel.set(c, after)
	ticks := int(after / tick)
	if after%tick > 0 {
		ticks++
	}
	m.due[c] = m.tick + max(1, ticks)
}

func (m *wheelModel) stop(c *Conn) {
	m.wheel.remove(c)
	delete(m.due, c)
}

func (m *wheelModel) advance(ticks int) {
	m.tick += ticks
	m.wheel.advance(m.began.Add(time.Duration(m.tick) * tick))
}

// next checks one timer that the wheel gives; false when it gives none.
func (m *wheelModel) next() bool {
	m.t.Helper()
	c := m.wheel.next()
	if c == nil {
		for _, due := range m.due {
			if due <= m.tick {
				m.t.Fatalf("the wheel gives nothing at tick %d, but one was due at %d", m.tick, due)
			}
		}
		return false
	}
	due, set := m.due[c]
	switch {
	case !set:
		m.t.Fatalf("tick %d: a timer came that is not set", m.tick)
	case due > m.tick:
		m.t.Fatalf("tick %d: a timer came that is due at %d", m.tick, due)
	case due < m.given:
		m.t.Fatalf("tick %d: the timer of tick %d came after that of %d", m.tick, due, m.given)
	case c.timer.place != -1:
		m.t.Fatal("a timer that came is still in the wheel")
	}
	m.given = due
	delete(m.due, c)
	return true
}

// play makes of each four bytes a step.
func (m *wheelModel) play(steps []byte) {
	for len(steps) >= 4 {
		c := m.conns[int(steps[1])%len(m.conns)]
		n := int(binary.LittleEndian.Uint16(steps[2:]))
		switch steps[0] % 8 {
		case 0, 1:
			m.set(c, time.Duration(n)*time.Millisecond)
		case 2:
			m.set(c, time.Duration(n)*tick-time.Duration(steps[1])) // more than a round
		case 3:
			m.stop(c)
		case 4:
			m.advance(n % 4)
		case 5:
			m.advance(n % (3 * spokes))
		case 6: // a turn that is over before all are given; what is given is set again, or stops another
			for range n % 8 {
				if !m.next() {
					break
				}
				if other := m.conns[n%len(m.conns)]; n%3 == 0 {
					m.set(other, time.Duration(n)*time.Millisecond)
				} else if n%3 == 1 {
					m.stop(other)
				}
			}
		case 7:
			for m.next() {
				continue
			}
			if len(m.due) == 0 { // as when the first connection comes after a while without
				m.advance(n)
				m.wheel.restart(m.began.Add(time.Duration(m.tick) * tick))
			}
		}
		steps = steps[4:]
	}
	m.advance(spokes)
	for m.next() {
		continue
	}
}

func TestWheelAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		m := newWheelModel(t, 1+r.IntN(20))
		steps := make([]byte, 4*r.IntN(500))
		for i := range steps {
			steps[i] = byte(r.Uint32())
		}
		m.play(steps)
	}
}

func FuzzWheel(f *testing.F) {
	f.Add([]byte{2, 0, 0, 4, 5, 0, 0, 4, 7, 0, 0, 0, 5, 0, 1, 0, 7, 0, 0, 0})
	f.Add([]byte{0, 1, 9, 0, 0, 2, 9, 0, 4, 0, 3, 0, 6, 0, 1, 0, 3, 2, 0, 0, 7, 0, 0, 0})
	f.Fuzz(func(t *testing.T, steps []byte) { newWheelModel(t, 5).play(steps) })
}

// Whatever is asked for, a timer is neither lost nor over at once for being far away.
func TestWheelOddTimes(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  uint32 // ticks
	}{
		{math.MinInt64, 1}, {-time.Hour, 1}, {0, 1}, {1, 1}, {tick, 1}, {tick + 1, 2}, {time.Hour, uint32(time.Hour / tick)},
		{20 * 365 * 24 * time.Hour, farthest}, {math.MaxInt64, farthest},
	} {
		w := newWheel(time.Unix(1, 0))
		w.advance(time.Unix(3601, 0)) // the worker was idle
		w.restart(time.Unix(3601, 0))
		conn := &Conn{timer: noTimer}
		w.set(conn, c.after)
		if got := conn.timer.at - w.turned; got != c.want {
			t.Errorf("%v: set for %d ticks, want %d", c.after, got, c.want)
		}
	}
}

// Timers of later rounds are looked at once in a round, however many turns there are meanwhile.
func TestWheelLooksOnceATick(t *testing.T) {
	began := time.Unix(1, 0)
	w := newWheel(began)
	const timers = 10_000
	for range timers {
		w.set(&Conn{timer: noTimer}, (spokes+5)*tick)
	}
	w.advance(began.Add(5 * tick))
	for range 3 {
		if w.next() != nil {
			t.Fatal("a timer of the next round came")
		}
		if w.last != timers {
			t.Fatalf("%d timers are to be looked at again at the next turn", timers-w.last)
		}
	}
	w.advance(began.Add((spokes + 5) * tick))
	n := 0
	for w.next() != nil {
		n++
	}
	if n != timers {
		t.Fatalf("%d of %d came", n, timers)
	}
}
