package nats_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

func head(t testing.TB, e todoke.Engine) todoke.Position {
	t.Helper()
	p, err := e.Head(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// texts reads a channel.
func texts(t testing.TB, e todoke.Engine, channel string, after todoke.Offset) (all []string, lost todoke.Loss) {
	t.Helper()
	p, err := e.Read(within(t), todoke.Range{Channel: channel, After: after, UpTo: head(t, e).Offset, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Messages {
		all = append(all, m.Text())
	}
	return all, p.Lost
}

// until publishes until it works, and returns the position.
func until(t testing.TB, e todoke.Engine, m todoke.Message) (r todoke.Result) {
	t.Helper()
	eventually(t, "a publish works again", func() bool {
		c, results := m, make([]todoke.Result, 1)
		err := e.Publish(within(t), []*todoke.Message{&c}, results)
		r = results[0]
		return err == nil
	})
	return r
}

// A stream that is deleted under an engine's feet is made anew, with a new epoch before anything is applied.
func TestWipedStreamIsANewEpoch(t *testing.T) {
	servers := startServers(t, 1)
	js := servers.connect(t)
	e := opened(t, nats.Options{URL: servers.url(), Prefix: "log"})
	for i := range 5 {
		put(t, e, "a", fmt.Sprint("old ", i))
	}
	before := head(t, e)
	d := tail(t, e, before)
	if err := js.DeleteStream(within(t), "log"); err != nil {
		t.Fatal(err)
	}
	nats.FollowAnew(e) // what the server's word to the consumer brings about too, a little later
	eventually(t, "the epoch changes", func() bool { return d.at().Epoch != before.Epoch })
	r := until(t, e, todoke.Message{Channel: "a", Data: []byte("new"), Type: todoke.TypeText})
	eventually(t, "the new message is applied", func() bool { return d.has("new") })
	if got := d.all(); !slices.Equal(got, []string{"epoch", "epoch", "new"}) {
		t.Errorf("the tail got %q", got)
	}
	if r.Position.Epoch == before.Epoch || r.Position.Epoch != d.at().Epoch {
		t.Errorf("published at %v; before it was %v, the tail has %v", r.Position, before, d.at())
	}
	if got, lost := texts(t, e, "a", 0); !slices.Equal(got, []string{"new"}) {
		t.Errorf("read %q, %+v", got, lost)
	}
}

// A server that comes back with an older copy of its files has fewer messages than this node has seen.
func TestHeadThatWentBackIsANewEpoch(t *testing.T) {
	servers := startServers(t, 1)
	e := opened(t, nats.Options{URL: servers.url(), Prefix: "log"})
	put(t, e, "a", "kept 1")
	put(t, e, "a", "kept 2")
	servers.kill(t)
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(servers.dir(0))); err != nil {
		t.Fatal(err)
	}
	servers.start(t)
	until(t, e, todoke.Message{Channel: "a", Data: []byte("lost 1"), Type: todoke.TypeText})
	put(t, e, "a", "lost 2")
	before := head(t, e)
	d := tail(t, e, before)
	servers.kill(t)
	if err := os.RemoveAll(servers.dir(0)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(servers.dir(0), os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	servers.start(t)
	eventually(t, "the epoch changes", func() bool { return d.at().Epoch != before.Epoch })
	until(t, e, todoke.Message{Channel: "a", Data: []byte("new"), Type: todoke.TypeText})
	eventually(t, "the new message is applied", func() bool { return d.has("new") })
	if got := d.all(); !slices.Equal(got, []string{"epoch", "epoch", "new"}) {
		t.Errorf("the tail got %q", got)
	}
	if got, _ := texts(t, e, "a", 0); !slices.Equal(got, []string{"kept 1", "kept 2", "new"}) {
		t.Errorf("read %q", got)
	}
	again := opened(t, nats.Options{URL: servers.url(), Prefix: "log"})
	if head(t, again) != head(t, e) {
		t.Errorf("another node is at %v, this one at %v", head(t, again), head(t, e))
	}
}

// A purge takes messages and not the history: the epoch stays, and what is gone is told.
func TestPurgedStreamTellsItsLoss(t *testing.T) {
	servers := startServers(t, 1)
	js := servers.connect(t)
	e := opened(t, nats.Options{URL: servers.url(), Prefix: "log"})
	for i := range 5 {
		put(t, e, "a", fmt.Sprint(i))
	}
	texts(t, e, "a", 0) // so that it is known what the channel had
	before := head(t, e)
	stream, err := js.Stream(within(t), "log")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(within(t)); err != nil {
		t.Fatal(err)
	}
	put(t, e, "a", "after")
	// What is still in this node's memory it may give; one that starts has nothing but the stream.
	nats.FollowAnew(e)
	eventually(t, "the epoch record is there again", func() bool {
		info, err := stream.Info(within(t))
		return err == nil && info.State.Msgs == 2
	})
	again := opened(t, nats.Options{URL: servers.url(), Prefix: "log"})
	if head(t, again).Epoch != before.Epoch {
		t.Errorf("the epoch was %s and is %s", before.Epoch, head(t, again).Epoch)
	}
	got, lost := texts(t, again, "a", 0)
	if !slices.Equal(got, []string{"after"}) || lost.Through != before.Offset || !lost.Possible {
		t.Errorf("read %q, %+v; want a possible loss through %d", got, lost, before.Offset)
	}
	if _, lost, err := again.Channels(within(t), "**", 0); err != nil || lost != before.Offset {
		t.Errorf("Channels: lost %d, %v", lost, err)
	}
	d := tail(t, again, todoke.Position{Epoch: before.Epoch, Offset: 1})
	eventually(t, "the tail comes to the end", func() bool { return d.has("after") })
	if got := d.all(); got[1] != fmt.Sprintf("hole 2-%d", before.Offset) {
		t.Errorf("the tail got %q", got)
	}
}

// When the machine stopped without warning, acknowledged messages may be gone: positions of before are worth nothing.
func TestStoppedMachineIsANewEpoch(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(note map[string]any)
		o      nats.Options
		again  bool
	}{
		"machine":                {func(n map[string]any) { n["clean"], n["boot"] = false, "before" }, nats.Options{}, true},
		"machine, synced always": {func(n map[string]any) { n["clean"], n["boot"] = false, "before" }, nats.Options{SyncInterval: -1}, false},
		"process":                {func(n map[string]any) { n["clean"] = false }, nats.Options{}, false},
		"in order":               {func(n map[string]any) { n["boot"] = "before" }, nats.Options{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat("/proc/sys/kernel/random/boot_id"); err != nil {
				t.Skip("this system does not name its boots")
			}
			tt.o.Dir = t.TempDir()
			e := opened(t, tt.o)
			put(t, e, "a", "x")
			before := head(t, e)
			shut(t, e)
			change(t, tt.o.Dir, tt.change)
			for range 2 { // and only once
				e = opened(t, tt.o)
				after := head(t, e)
				if (after.Epoch != before.Epoch) != tt.again {
					t.Errorf("the epoch was %v and is %v", before, after)
				}
				if got, _ := texts(t, e, "a", 0); !slices.Equal(got, []string{"x"}) {
					t.Errorf("read %q", got)
				}
				tt.again, before = false, after
				shut(t, e)
			}
		})
	}
}

// Deliveries that are lost are fetched again, before anything later is applied.
func TestLostDeliveriesAreRepaired(t *testing.T) {
	e := opened(t, nats.Options{Dir: t.TempDir()})
	d := tail(t, e, todoke.Position{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			nats.FollowAnew(e)
			<-d.moved(20)
		}
	}()
	want := []string{"epoch"}
	for i := range 300 {
		r := until(t, e, todoke.Message{Channel: "a", Data: fmt.Append(nil, i), Type: todoke.TypeText, IdempotencyKey: fmt.Sprint(i)})
		if r.Position.IsZero() {
			t.Fatal(r)
		}
		want = append(want, fmt.Sprint(i))
	}
	cancel()
	<-done
	eventually(t, "all is applied", func() bool { return d.has("299") })
	if got := d.all(); !slices.Equal(got, want) {
		t.Errorf("the tail got %q", got)
	}
}
