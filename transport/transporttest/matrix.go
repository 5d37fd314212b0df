package transporttest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

// RunMatrix has a reader cut on every transport resume on every other, and hop between all of them while messages flow.
func RunMatrix(t *testing.T, setup Setup, drivers []Driver) {
	for _, from := range drivers {
		for _, to := range drivers {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) { resumeOn(t, setup, from, to) })
		}
	}
	t.Run("hop", func(t *testing.T) { hop(t, setup, drivers) })
}

// resumeOn goes from one transport to another after a message, and after none.
func resumeOn(t *testing.T, setup Setup, from, to Driver) {
	s := setup(t, allowed())
	publish(t, s, "a", "0")
	first := open(t, from, s, "now", "a", "b:*")
	publish(t, s, "b:1", "1")
	publish(t, s, "a", "2")
	expect(t, words(t, first, 2), "b:1=1, a=2")
	position := first.Position()
	first.Close()
	publish(t, s, "c", "-")
	publish(t, s, "b:2", "3")

	second := open(t, to, s, position, "a", "b:*")
	expect(t, words(t, second, 1), "b:2=3")
	position = second.Position()
	second.Close()
	publish(t, s, "a", "4")

	idle := open(t, from, s, position, "a", "b:*")
	expect(t, words(t, idle, 1), "a=4")
	again := open(t, to, s, idle.Position(), "a", "b:*")
	position = again.Position() // it has got nothing
	again.Close()
	publish(t, s, "a", "5")
	expect(t, words(t, open(t, from, s, position, "a", "b:*"), 1), "a=5")
}

// hop reads 5,000 messages that come from several publishers while it moves from transport to transport.
func hop(t *testing.T, setup Setup, drivers []Driver) {
	const total = 5000
	s := setup(t, allowed())
	position := s.Hub.Head().String()
	var publishing sync.WaitGroup
	defer publishing.Wait()
	var mu sync.Mutex
	published := 0
	for range 3 {
		publishing.Go(func() {
			for {
				mu.Lock()
				n := published
				published++
				if n < total { // published while the lock is held, so that the numbers are in the order of the log
					if _, err := s.Hub.Publish(t.Context(), todoke.Message{Channel: fmt.Sprintf("hop:%d", n%3), Data: []byte(strconv.Itoa(n))}); err != nil {
						t.Error(err)
					}
				}
				mu.Unlock()
				if n >= total {
					return
				}
			}
		})
	}
	seen := 0
	for turn := 0; seen < total; turn++ {
		d := drivers[turn%len(drivers)]
		r := open(t, d, s, position, "hop:*")
		for range min(1+turn*37%150, total-seen) {
			e := next(t, r)
			if e.Message == nil || e.Message.Text() != strconv.Itoa(seen) {
				t.Fatalf("on %s: %s instead of %d", d.Name, word(e), seen)
			}
			seen++
		}
		position = r.Position()
		r.Close()
	}
}
