package nats_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// Channels answers from memory, from the log, or from the newest message of each channel, by how far back it is asked: all three agree.
func TestChannelsFromFarBack(t *testing.T) {
	if raced {
		t.Skip("an embedded server takes half a minute for it with the race detector, which has nothing to find that the suite does not show it")
	}
	e := opened(t, nats.Options{Dir: t.TempDir()})
	forms := []string{"s%d", "a:%d", "b:%d:c"}
	var log []string
	for len(log) < 66_000 {
		batch := make([]todoke.Message, 1000)
		for i := range batch {
			batch[i].Channel = fmt.Sprintf(forms[len(log)%3], len(log)%15_000)
			log = append(log, batch[i].Channel)
		}
		if _, err := publish(within(t), e, batch...); err != nil {
			t.Fatal(err)
		}
	}
	first := head(t, e).Offset - todoke.Offset(len(log)) // before it
	for _, back := range []int{100, 40_000, 66_000} {
		for _, pattern := range []string{"**", "*", "a:*", "*:*:c", "s0", "a:1", "none:**"} {
			want := map[string]bool{}
			for _, name := range log[len(log)-back:] {
				if todoke.MatchPattern(pattern, name) {
					want[name] = true
				}
			}
			got, lost, err := e.Channels(within(t), pattern, first+todoke.Offset(len(log)-back))
			if err != nil || lost != 0 {
				t.Fatal(lost, err)
			}
			slices.Sort(got)
			if len(slices.Compact(got)) != len(want) || slices.ContainsFunc(got, func(name string) bool { return !want[name] }) {
				t.Errorf("%s, %d back: %d channels, want %d", pattern, back, len(got), len(want))
			}
		}
	}
}
