package transporttest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// RunMatrix has a reader cut on every transport resume on every other, and hop between all of them while messages flow.
func RunMatrix(t *testing.T, setup Setup, drivers []Driver) {
	RunClusterMatrix(t, func(t testing.TB, o todoke.Options) []Server { return []Server{setup(t, o)} }, drivers)
}

// RunClusterMatrix is RunMatrix over several nodes: each time a reader resumes it does so on the next one, and messages are published
// on all of them in turn.
func RunClusterMatrix(t *testing.T, setup ClusterSetup, drivers []Driver) {
	for _, from := range drivers {
		for _, to := range drivers {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) { resumeOn(t, setup, from, to) })
		}
	}
	t.Run("hop", func(t *testing.T) { hop(t, setup, drivers) })
}

// nodes are the servers of a set-up, and whose turn it is.
type nodes struct {
	servers   []Server
	published int
	opened    int
}

// publish publishes on the next node.
func (n *nodes) publish(t testing.TB, channel string, data ...string) {
	t.Helper()
	for _, d := range data {
		publish(t, n.servers[n.published%len(n.servers)], channel, d)
		n.published++
	}
}

// open opens a reader on the next node.
func (n *nodes) open(t testing.TB, d Driver, since string, channels ...string) Reader {
	t.Helper()
	s := n.servers[n.opened%len(n.servers)]
	n.opened++
	return open(t, d, s, since, channels...)
}

// even waits until all nodes have what each of them has: a reader that begins at "now" then begins after it on any.
func (n *nodes) even(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); ; <-time.After(time.Millisecond) {
		head, even := n.servers[0].Hub.Head(), true
		for _, s := range n.servers[1:] {
			even = even && s.Hub.Head() == head
		}
		if even {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the nodes do not come to the same head %v", head)
		}
	}
}

// resumeOn goes from one transport to another after a message, and after none.
func resumeOn(t *testing.T, setup ClusterSetup, from, to Driver) {
	n := &nodes{servers: setup(t, allowed())}
	n.publish(t, "a", "0")
	n.even(t)
	first := n.open(t, from, "now", "a", "b:*")
	n.publish(t, "b:1", "1")
	n.publish(t, "a", "2")
	expect(t, words(t, first, 2), "b:1=1, a=2")
	position := first.Position()
	first.Close()
	n.publish(t, "c", "-")
	n.publish(t, "b:2", "3")

	second := n.open(t, to, position, "a", "b:*")
	expect(t, words(t, second, 1), "b:2=3")
	position = second.Position()
	second.Close()
	n.publish(t, "a", "4")

	idle := n.open(t, from, position, "a", "b:*")
	expect(t, words(t, idle, 1), "a=4")
	again := n.open(t, to, idle.Position(), "a", "b:*")
	position = again.Position() // it has got nothing
	again.Close()
	n.publish(t, "a", "5")
	expect(t, words(t, n.open(t, from, position, "a", "b:*"), 1), "a=5")
}

// hop reads messages that come from several publishers while it moves from transport to transport, and from node to node.
func hop(t *testing.T, setup ClusterSetup, drivers []Driver) {
	total := 5000
	if testing.Short() {
		total = 1000
	}
	n := &nodes{servers: setup(t, allowed())}
	n.even(t)
	position := n.servers[0].Hub.Head().String()
	var publishing sync.WaitGroup
	defer publishing.Wait()
	var mu sync.Mutex
	published := 0
	for i := range 3 {
		hub := n.servers[i%len(n.servers)].Hub
		publishing.Go(func() {
			for {
				mu.Lock()
				at := published
				published++
				if at < total { // published while the lock is held, so that the numbers are in the order of the log
					if _, err := hub.Publish(t.Context(), todoke.Message{Channel: fmt.Sprintf("hop:%d", at%3), Data: []byte(strconv.Itoa(at))}); err != nil {
						t.Error(err)
					}
				}
				mu.Unlock()
				if at >= total {
					return
				}
			}
		})
	}
	seen := 0
	for turn := 0; seen < total; turn++ {
		d := drivers[turn%len(drivers)]
		r := n.open(t, d, position, "hop:*")
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
