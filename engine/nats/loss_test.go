package nats_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// What the stream itself deletes for its age is a possible loss for a node that never saw it, and an exact one for a node that did.
func TestLossByTheStreamsAge(t *testing.T) {
	brief := todoke.Retention{Messages: 100, Bytes: -1, Age: 200 * time.Millisecond}
	o := nats.Options{URL: startServers(t, 1).url(), Logger: quiet()}
	start := func() *nats.Engine {
		e := nats.New(o)
		nats.SetSlack(e, 300*time.Millisecond)
		t.Cleanup(func() { shut(t, e) })
		if err := e.Open(within(t), func(string) *todoke.Retention { return &brief }); err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := start()
	first := put(t, e, "a", "1")
	texts(t, e, "a", 0)
	last := put(t, e, "a", "2")
	eventually(t, "the stream deletes both", func() bool {
		_, lost, err := e.Channels(within(t), "b", 0)
		return err == nil && lost >= last.Offset
	})
	if got, lost := texts(t, e, "a", first.Offset); len(got) > 0 || lost != (todoke.Loss{Through: last.Offset}) {
		t.Errorf("a node that has seen them: %q, %+v", got, lost)
	}
	again := start()
	if again.Caps() != (todoke.Caps{Process: true, Fenced: true}) {
		t.Errorf("%+v", again.Caps())
	}
	for _, channel := range []string{"a", "never"} {
		if got, lost := texts(t, again, channel, 0); len(got) > 0 || !lost.Possible || lost.Through < last.Offset {
			t.Errorf("%s on a node that has not: %q, %+v", channel, got, lost)
		}
		if got, lost := texts(t, again, channel, head(t, again).Offset); len(got) > 0 || lost != (todoke.Loss{}) {
			t.Errorf("%s at the head: %q, %+v", channel, got, lost)
		}
	}
}

// Over MaxBytes the stream deletes the oldest of all channels; what a node believed to be retained it then tells as lost.
func TestLossByTheStreamsBytes(t *testing.T) {
	e := opened(t, nats.Options{Dir: t.TempDir(), MaxBytes: 200_000})
	first := put(t, e, "quiet", "1")
	texts(t, e, "quiet", 0) // now it is indexed
	epoch := head(t, e).Epoch
	big := strings.Repeat("x", 10_000)
	for i := range 1000 { // the ring is to forget the first one as well
		put(t, e, fmt.Sprint("loud:", i%3), big)
	}
	if got, lost := texts(t, e, "quiet", 0); len(got) > 0 || lost != (todoke.Loss{Through: first.Offset}) {
		t.Errorf("the quiet channel: %q, %+v", got, lost)
	}
	got, lost := texts(t, e, "loud:0", 0)
	if n := len(got); n == 0 || n > 20 || lost.Through == 0 {
		t.Errorf("a loud channel: %d messages, %+v", n, lost)
	}
	again := head(t, e)
	if again.Epoch != epoch {
		t.Errorf("the epoch was %s and is %s", epoch, again.Epoch)
	}
}

// The stream keeps what the largest namespace promises, whoever publishes first, and one message more.
func TestStreamKeepsWhatIsPromised(t *testing.T) {
	small, large := todoke.Retention{Messages: 2, Bytes: -1, Age: time.Minute}, todoke.Retention{Messages: 5, Bytes: -1, Age: time.Hour}
	o := nats.Options{URL: startServers(t, 1).url(), Prefix: "log", Logger: quiet()}
	e := nats.New(o)
	t.Cleanup(func() { shut(t, e) })
	rules := func(channel string) *todoke.Retention {
		if todoke.NamespaceOf(channel) == "large" {
			return &large
		}
		return &small
	}
	if err := e.Open(within(t), rules); err != nil {
		t.Fatal(err)
	}
	js := dialJetStream(t, o.URL)
	limits := func() (int64, time.Duration) {
		s, err := js.Stream(within(t), "log")
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config.MaxMsgsPerSubject, s.CachedInfo().Config.MaxAge
	}
	put(t, e, "a", "x")
	if n, age := limits(); n != 3 || age != 2*time.Minute {
		t.Errorf("the stream keeps %d messages a channel for %v", n, age)
	}
	for i := range 9 {
		put(t, e, "large:a", fmt.Sprint(i))
		put(t, e, "a", fmt.Sprint(i))
	}
	if n, age := limits(); n != 6 || age != time.Hour+time.Minute {
		t.Errorf("the stream keeps %d messages a channel for %v", n, age)
	}
	for channel, want := range map[string]int{"large:a": 5, "a": 2} {
		if got, lost := texts(t, e, channel, 0); len(got) != want || lost.Through == 0 || lost.Possible {
			t.Errorf("%s: %q, %+v", channel, got, lost)
		}
	}
}
