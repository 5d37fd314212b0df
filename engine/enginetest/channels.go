package enginetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
)

var channelScenarios = []scenario{
	{name: "thousands of channels, found by pattern as MatchPattern says", run: thousands},
	{name: "Channels after an offset gives those with messages after it", run: channelsAfter},
	{name: "Channels while others come and go leaves out none that stays", run: channelsBusy},
	{name: "names that look alike are different channels", run: lookalikes},
}

// channels asks for channels and returns them sorted. None may come twice, none that the pattern does not take in.
func (f *fixture) channels(pattern string, after todoke.Offset) (names []string, lost todoke.Offset) {
	f.t.Helper()
	got, lost, err := f.e.Channels(f.ctx, pattern, after)
	if err != nil {
		f.t.Fatalf("Channels(%q, %d): %v", pattern, after, err)
	}
	names = slices.Sorted(slices.Values(got))
	for i, name := range names {
		if i > 0 && name == names[i-1] {
			f.t.Fatalf("Channels(%q, %d) gives %s twice", pattern, after, name)
		}
		if !todoke.MatchPattern(pattern, name) {
			f.t.Fatalf("Channels(%q, %d) gives %s", pattern, after, name)
		}
	}
	return names, lost
}

// taken is what Channels must give of log: brute force.
func taken(log []*todoke.Message, pattern string, after todoke.Offset) []string {
	seen := map[string]bool{}
	var names []string
	for _, m := range log {
		if m.Position.Offset > after && !seen[m.Channel] && todoke.MatchPattern(pattern, m.Channel) {
			seen[m.Channel] = true
			names = append(names, m.Channel)
		}
	}
	slices.Sort(names)
	return names
}

// listed holds Channels to f.log where some of it is gone: every channel with something after after, kept
// or lost, is listed, or lost says that its state may be; and none is listed that had nothing.
func (f *fixture) listed(pattern string, after todoke.Offset) {
	f.t.Helper()
	names, lost := f.channels(pattern, after)
	had := taken(f.log, pattern, after)
	for _, name := range names {
		if !slices.Contains(had, name) {
			f.t.Fatalf("Channels(%q, %d) gives %s, which had no message there", pattern, after, name)
		}
	}
	if lost > f.head().Offset {
		f.t.Fatalf("Channels(%q, %d): lost is %d, after the head", pattern, after, lost)
	}
	for _, name := range had {
		if slices.Contains(names, name) {
			continue
		}
		sent := f.of(name)
		last := sent[len(sent)-1].Position.Offset
		if p := f.rest(name, after); len(p.Messages) > 0 {
			f.t.Fatalf("Channels(%q, %d) leaves out %s, which has %s", pattern, after, name, offsets(p.Messages))
		}
		if lost < last {
			f.t.Fatalf("Channels(%q, %d) leaves out %s, which lost %d, and lost is %d", pattern, after, name, last, lost)
		}
	}
}

func thousands(t *testing.T, h Harness) {
	n := 10_000
	if h.small() {
		n = 1_000
	}
	f := open(t, h, nil)
	names := make([]string, n)
	for i := range names {
		switch i % 4 {
		case 0:
			names[i] = fmt.Sprintf("single%d", i)
		case 1:
			names[i] = fmt.Sprintf("shop%d:item%d", i%10, i)
		case 2:
			names[i] = fmt.Sprintf("sensor:%d:temp", i)
		default:
			names[i] = fmt.Sprintf("deep:%d:%d:x:%d", i%7, i%3, i)
		}
	}
	for round := range 3 {
		for part := range slices.Chunk(names, 500) {
			batch := make([]*todoke.Message, len(part))
			for i, name := range part {
				batch[i] = text(name, fmt.Sprint(round))
			}
			f.publish(batch...)
		}
	}
	for _, pattern := range []string{
		"**", "*", "*:*", "*:**", "shop1:*", "shop1:**", "*:*:temp", "sensor:*:temp", "sensor:*", "sensor:**", "*:2:*", "*:2:temp",
		"deep:3:**", "deep:*:1:x:*", "deep:*:*:*:*", "*:*:*:*:*", "nothing:**", names[0], names[1], names[n-1], "single", "shop1", "deep:3",
	} {
		got, lost := f.channels(pattern, 0)
		if want := taken(f.log, pattern, 0); !slices.Equal(got, want) || lost != 0 {
			t.Errorf("Channels(%q): %d channels, lost %d; want %d, and all is kept", pattern, len(got), lost, len(want))
		}
	}
	for i := 0; i < n; i += n / 50 {
		p := f.rest(names[i], 0)
		compare(t, names[i], p.Messages, []*todoke.Message{f.log[i], f.log[n+i], f.log[2*n+i]})
	}
	tl := f.tail(todoke.Position{Epoch: f.epoch})
	tl.gives(f.log)
}

func channelsAfter(t *testing.T, h Harness) {
	f := open(t, h, nil)
	for i := range 40 {
		f.publish(text([]string{"a", "b", "x:a", "x:b", "x:y:z", "y:a"}[(i*i+i/5)%6], fmt.Sprint(i)))
	}
	for after := todoke.Offset(0); after <= f.last(); after++ {
		for _, pattern := range []string{"**", "*", "*:*", "x:*", "x:**", "*:a", "b", "x:b", "no"} {
			got, lost := f.channels(pattern, after)
			if want := taken(f.log, pattern, after); !slices.Equal(got, want) {
				t.Fatalf("Channels(%q, %d) gives %v, want %v", pattern, after, got, want)
			}
			if lost != 0 {
				t.Fatalf("Channels(%q, %d): lost is %d, and all is kept", pattern, after, lost)
			}
		}
	}
}

func channelsBusy(t *testing.T, h Harness) {
	n := 10_000
	if h.small() {
		n = 5_000
	}
	f := open(t, h, rules{"none": {Messages: -1, Bytes: -1, Age: -1}})
	stable := make([]string, n)
	for i := range stable {
		stable[i] = fmt.Sprintf("stays:%d", i)
	}
	for part := range slices.Chunk(stable, 500) {
		batch := make([]*todoke.Message, len(part))
		for i, name := range part {
			batch[i] = text(name, "x")
		}
		f.publish(batch...)
	}
	slices.Sort(stable)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for p := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if _, err := try(f.ctx, f.e, text(fmt.Sprintf("new:%d:%d", p, i), "x"), text(fmt.Sprintf("none:%d", i%50), "x")); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer close(done)
	for range 10 {
		all, _ := f.channels("**", 0) // none twice
		got := slices.DeleteFunc(all, func(name string) bool { return !todoke.MatchPattern("stays:*", name) })
		if !slices.Equal(got, stable) {
			t.Fatalf("Channels gives %d of %d channels that stay", len(got), n)
		}
	}
}

// lookalikes are names that a store with separators and wildcards of its own may mix up.
func lookalikes(t *testing.T, h Harness) {
	f := open(t, h, nil)
	names := []string{
		"a", "A", "a.b", "a:b", "a-b", "a_b", "a~b", "a@b", "a=b", "ab", "a:b:c", "a.b:c", "a:b.c", "a.b.c", "a..b", "a.", "-", "_", "~", "@", "=", "0", "00",
		"a:-", "a:0", "=:=", "user:x@example.org", string(makeName(todoke.MaxChannelBytes, 'x')), string(makeName(todoke.MaxChannelBytes, 'y')),
	}
	for round := range 2 {
		for _, name := range names {
			if err := todoke.ValidateChannel(name); err != nil {
				t.Fatal(err)
			}
			f.publish(text(name, fmt.Sprintf("%s %d", name, round)))
		}
	}
	for _, name := range names {
		compare(t, name, f.rest(name, 0).Messages, f.of(name))
		if got, _ := f.channels(name, 0); !slices.Equal(got, []string{name}) {
			t.Errorf("Channels(%q) gives %v", name, got)
		}
	}
	for _, pattern := range []string{"**", "*", "*:*", "a:*", "a:**"} {
		if got, _ := f.channels(pattern, 0); !slices.Equal(got, taken(f.log, pattern, 0)) {
			t.Errorf("Channels(%q) gives %v, want %v", pattern, got, taken(f.log, pattern, 0))
		}
	}
}

func makeName(n int, last byte) []byte {
	name := make([]byte, n)
	for i := range name {
		name[i] = 'n'
	}
	name[n-1] = last
	return name
}
