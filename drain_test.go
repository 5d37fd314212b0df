package todoke_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// What was published before the drain comes to every reader before it ends, however busy the waker is: where the log is in memory,
// nobody could get it afterwards.
func TestDrainGivesAllFirst(t *testing.T) {
	for round := range 100 {
		hub := newHub(t, todoke.Options{})
		var subs []*todoke.Subscription
		for range 30 { // more than a publisher wakes itself
			subs = append(subs, subscribe(t, hub, todoke.Now(), "a", "b:*"))
		}
		for i := range 20 {
			publish(t, hub, []string{"a", "b:1", "b:2"}[i%3], fmt.Sprint(i))
		}
		hub.Drain(time.Second)
		for i, sub := range subs {
			n := 0
			for {
				b, err := sub.Next(t.Context())
				if n += len(b.Messages); err == nil {
					continue
				}
				if !errors.Is(err, todoke.CodeRestarting) || n != 20 {
					t.Fatalf("round %d: reader %d ends with %v after %d of 20 messages", round, i, err, n)
				}
				break
			}
		}
		hub.Close()
	}
}
