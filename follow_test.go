package todoke_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
)

// readerFunc is a Reader that is a function.
type readerFunc func()

func (f readerFunc) Ready() { f() }

// followHere follows with the test's own goroutine: its turns are taken when the test says so.
func followHere(t testing.TB, f *todoke.Follower, sub *todoke.Subscription, ready func()) {
	t.Helper()
	if ready == nil {
		ready = func() {}
	}
	sub.Follow(f, readerFunc(ready))
}

func tryRead(t testing.TB, sub *todoke.Subscription) todoke.Frames {
	t.Helper()
	frames, ok, err := sub.TryReadFrames(lineFormat{})
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	return frames
}

// drink reads all there is.
func drink(t testing.TB, sub *todoke.Subscription) (out []byte) {
	t.Helper()
	for {
		frames := tryRead(t, sub)
		if out = append(out, frames.Bytes...); !frames.More {
			return out
		}
	}
}

// A batch is cut after any number of bytes; with the rest of the frame that was cut, and what is read afterwards, all arrives once.
func TestRewindAtEveryByte(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      todoke.Options
		names  []string
		behind bool // more than a batch lies before the reader
		sizes  []int
		stride int
	}{
		{name: "shared", names: []string{"a"}, sizes: []int{0, 1, 30, 0, 200, 7}, stride: 1},
		{name: "several channels", names: []string{"a", "b"}, sizes: []int{0, 1, 30, 0, 200, 7}, stride: 1},
		{name: "conflated", names: []string{"a"}, sizes: []int{0, 1, 30, 0, 200, 7}, stride: 1,
			o: todoke.Options{Namespace: todoke.Namespace{Conflation: todoke.ConflateAppend}}},
		{name: "from the engine", names: []string{"a", "**"}, sizes: []int{5, 17}, stride: 997, behind: true},
		{name: "over a batch", names: []string{"a"}, sizes: []int{100 << 10, 100 << 10, 100 << 10, 100 << 10, 100 << 10}, stride: 7919},
		{name: "one message over a batch", names: []string{"a"}, sizes: []int{10, 600 << 10, 10}, stride: 9973},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub := newHub(t, c.o)
			start := hub.Head()
			for i, size := range c.sizes {
				publish(t, hub, "a", strings.Repeat(string(rune('k'+i)), size))
			}
			if c.behind {
				for range 40 {
					publish(t, hub, "a", strings.Repeat("z", 3000))
				}
			}
			f := hub.NewFollower(func(int) {})
			// The first one is there so that the frames are; what the others get may be shared.
			open := func() *todoke.Subscription {
				sub, err := hub.Subscribe(t.Context(), c.names, todoke.After(start))
				if err != nil {
					t.Fatal(err)
				}
				followHere(t, f, sub, nil)
				return sub
			}
			live := open()
			defer live.Close()
			want := drink(t, live)
			probe := open()
			whole := tryRead(t, probe)
			probe.Close()
			cuts := map[int]bool{0: true}
			for at := 0; at < len(whole.Bytes); at += c.stride {
				cuts[at] = true
			}
			place := 0
			for frame := range whole.All() {
				for _, at := range []int{place - 1, place, place + 1} {
					cuts[at] = true
				}
				place += len(frame)
			}
			for at := range cuts {
				if at < 0 || at >= len(whole.Bytes) {
					continue
				}
				sub := open()
				frames := tryRead(t, sub)
				if !bytes.Equal(frames.Bytes, whole.Bytes) {
					t.Fatal("two readers at the same place get different batches")
				}
				got := append([]byte(nil), frames.Bytes[:at]...)
				got = append(got, sub.Rewind(frames, at)...)
				got = append(got, drink(t, sub)...)
				sub.Close()
				if !bytes.Equal(got, want) {
					t.Fatalf("cut after %d of %d bytes: %d bytes came, not the %d that should have", at, len(whole.Bytes), len(got), len(want))
				}
			}
		})
	}
}

// A reader that lags behind while the frames of the channel move to new arrays gets all, in order.
func TestFollowerLagsBehindTheFrames(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	var ledger ledger
	one, two := openDesk(t, hub, 1), openDesk(t, hub, 2)
	quick, other, late := one.open(todoke.Now(), "a"), two.open(todoke.Now(), "a"), one.open(todoke.Now(), "a")
	one.do(quick.follow)
	two.do(other.follow)
	one.do(func() { late.blocked = true; late.follow() }) // its peer takes nothing for now
	for i := range 100 {
		ledger.publish(t, hub, "a", strings.Repeat(fmt.Sprint(i%10), 50_000)) // 5 MB, of which a run keeps some
		if i%10 == 0 {
			quick.await(hub.Head())
		}
	}
	one.do(func() { late.blocked = false; late.Ready() })
	for _, tap := range []*tap{quick, other, late} {
		tap.await(hub.Head())
		tap.d.do(func() { ledger.check(tap, true) })
	}
}

// Readers of patterns that always have something do not keep those of one channel waiting, nor one another.
func TestFollowerIsFair(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	f := hub.NewFollower(func(int) {})
	const many = 200
	visits := make([]int, many)
	for i := range many {
		sub := subscribe(t, hub, todoke.Now(), "b:*", "c")
		followHere(t, f, sub, func() { visits[i]++; drink(t, sub) })
		drink(t, sub)
	}
	single := 0
	sub := subscribe(t, hub, todoke.Now(), "a")
	followHere(t, f, sub, func() { single++; drink(t, sub) })
	publish(t, hub, "a", "1")
	made := 0
	for i := 0; made < 4*many; i++ { // each turn finds what was roused by then, which on a busy machine may be nobody yet
		publish(t, hub, "b:1", fmt.Sprint(i))
		settleWaker(t, hub, "b:1")
		n, _ := f.Turn(16)
		if n > 16 {
			t.Fatalf("%d visits at a turn of 16", n)
		}
		made += n
	}
	if single == 0 {
		t.Error("the reader of one channel was never visited")
	}
	for i, n := range visits {
		if n == 0 {
			t.Fatalf("reader %d of %d was never visited in %d visits", i, many, made)
		}
	}
}

// settleWaker waits until those who have to be told of the channel's last message were: a reader of several channels shows it.
func settleWaker(t testing.TB, hub *todoke.Hub, channel string) {
	t.Helper()
	sub, err := hub.Subscribe(t.Context(), []string{channel, "no:other"}, todoke.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	settle(t, hub, sub)
}

// What is closed before, or when, it comes to a follower stays with nobody.
func TestFollowClosed(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	f := hub.NewFollower(func(int) {})
	sub := subscribe(t, hub, todoke.Now(), "a")
	witness := subscribe(t, hub, todoke.Now(), "a")
	sub.Close()
	followHere(t, f, sub, nil)
	if n := witness.Audience(); n != 0 {
		t.Errorf("%d readers are followed", n)
	}
	if _, _, err := sub.TryReadFrames(lineFormat{}); !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
	followHere(t, f, witness, nil)
	if n := witness.Audience(); n != 1 {
		t.Errorf("%d readers are followed", n)
	}
	witness.Close()
	if n := witness.Audience(); n != 0 {
		t.Errorf("%d readers are followed", n)
	}
	publish(t, hub, "a", "1")
	if visits, more := f.Turn(10); visits > 0 || more {
		t.Errorf("%d visits, more %v", visits, more)
	}
}

// A message whose TTL is over is given to no reader, even where its frame still lies among those that are shared.
func TestFollowTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 1}}})
		f := hub.NewFollower(func(int) {})
		quick, late := subscribe(t, hub, todoke.Now(), "a"), subscribe(t, hub, todoke.Now(), "a")
		followHere(t, f, quick, nil)
		followHere(t, f, late, nil)
		if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "a", Data: []byte("short-lived"), TTL: time.Second}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(drink(t, quick), []byte("short-lived")) {
			t.Fatal("a message was not given while its time lasted")
		}
		time.Sleep(2 * time.Second)
		for i := range 400 { // more than the tail has, less than the frames
			publish(t, hub, "a", fmt.Sprint(i))
			drink(t, quick)
		}
		if out := drink(t, late); bytes.Contains(out, []byte("short-lived")) {
			t.Errorf("a message was given whose time was over, among %d bytes", len(out))
		}
	})
}

// When the hub drains, and when it is closed, every reader has what was published before, and then ends.
func TestFollowToTheEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(hub *todoke.Hub)
		code todoke.Code
		all  bool
	}{
		{"drain", func(hub *todoke.Hub) { hub.Drain(time.Second) }, todoke.CodeRestarting, true},
		{"close", func(hub *todoke.Hub) { hub.Close() }, todoke.CodeClosed, false},
	} {
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, slow engine %v", c.name, slow), func(t *testing.T) {
				o := todoke.Options{}
				if slow {
					o.Engine = slowEngine{todoke.NewMemory(todoke.MemoryOptions{})}
				}
				hub := newHub(t, o)
				d := openDesk(t, hub, 3)
				var ledger ledger
				var taps []*tap
				for i := range 40 {
					for _, since := range []todoke.Since{todoke.Now(), todoke.Earliest()} {
						tap := d.open(since, followInterests[i%len(followInterests)]...)
						tap.short = i%2 == 0
						d.do(tap.follow)
						taps = append(taps, tap)
					}
					ledger.publish(t, hub, followChannels[i%len(followChannels)], strings.Repeat("x", i))
				}
				c.end(hub)
				for _, tap := range taps {
					var err error
					for deadline := time.Now().Add(20 * time.Second); err == nil && time.Now().Before(deadline); {
						d.do(func() { err = tap.err })
					}
					if !errors.Is(err, c.code) {
						t.Errorf("a reader of %v ends with %v", tap.names, err)
					}
					d.do(func() { ledger.check(tap, c.all) })
				}
			})
		}
	}
}

// A follower does not wait for an engine that takes time: it says so, and goes on when somebody else has read.
func TestTryReadMustWait(t *testing.T) {
	hub := newHub(t, todoke.Options{Engine: slowEngine{todoke.NewMemory(todoke.MemoryOptions{})}})
	start := publish(t, hub, "a", "1")
	publish(t, hub, "a", "2", "3")
	f := hub.NewFollower(func(int) {})
	for _, names := range [][]string{{"a"}, {"a", "b"}, {"*"}} {
		sub := subscribe(t, hub, todoke.After(start), names...)
		followHere(t, f, sub, nil)
		for range 2 { // it changes nothing
			if frames, ok, err := sub.TryReadFrames(lineFormat{}); ok || err != nil || len(frames.Bytes) > 0 {
				t.Fatalf("%v: %q, %v, %v", names, frames.Bytes, ok, err)
			}
		}
		var out []byte
		for range 3 {
			frames, err := sub.ReadFrames(context.Background(), lineFormat{})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, frames.Bytes...)
		}
		expect(t, string(out), "m 2 a 1 2\nm 3 a 1 3\n")
		if out := drink(t, sub); len(out) > 0 {
			t.Errorf("%q came twice", out)
		}
	}
}

// When the log is lost, followed readers are told as others are, and go on in the new history.
func TestFollowEpochChange(t *testing.T) {
	for _, names := range [][]string{{"a"}, {"a", "p:*"}} {
		engine := &fickle{Memory: todoke.NewMemory(todoke.MemoryOptions{})}
		hub := newHub(t, todoke.Options{Engine: engine})
		d := openDesk(t, hub, 4)
		tap := d.open(todoke.Now(), names...)
		d.do(tap.follow)
		publish(t, hub, "a", "1")
		tap.await(hub.Head())
		engine.lose(t, &todoke.Message{Channel: "x"}, &todoke.Message{Channel: "a", Data: []byte("2")})
		last := publish(t, hub, "a", "3")
		tap.await(last)
		d.do(func() {
			lines := strings.Split(strings.TrimSpace(string(tap.out)), "\n")
			if len(lines) < 4 || lines[0] != "m 1 a 1 1" || !strings.HasPrefix(lines[1], "g ") ||
				lines[len(lines)-2] != "m 2 a 1 2" || lines[len(lines)-1] != "m 3 a 1 3" {
				t.Errorf("%v: %q", names, lines)
			}
		})
	}
}

// Conflated readers that are cut and lag all end with the same state.
func TestFollowConflated(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespaces: map[string]todoke.Namespace{
		"append": {Conflation: todoke.ConflateAppend}, "latest": {Conflation: todoke.ConflateLatest},
	}})
	d := openDesk(t, hub, 5)
	var taps []*tap
	for i := range 20 {
		tap := d.open(todoke.Now(), []string{"append:a", "latest:a"}[i%2])
		tap.short = i%4 < 2
		d.do(tap.follow)
		taps = append(taps, tap)
	}
	var all strings.Builder
	for i := range 2000 {
		word := fmt.Sprintf("<%d>", i)
		all.WriteString(word)
		publish(t, hub, "append:a", word)
		publish(t, hub, "latest:a", word)
	}
	for i, tap := range taps {
		tap.await(hub.Head())
		d.do(func() {
			var got strings.Builder
			last := ""
			for line := range strings.Lines(string(tap.out)) {
				last = strings.TrimSuffix(strings.SplitN(line, " ", 5)[4], "\n")
				got.WriteString(last)
			}
			if i%2 == 0 && got.String() != all.String() {
				t.Errorf("reader %d has %d bytes put together instead of %d", i, got.Len(), all.Len())
			}
			if i%2 == 1 && last != "<1999>" {
				t.Errorf("reader %d ends with %q", i, last)
			}
		})
	}
}
