package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// publish makes one try.
func publish(ctx context.Context, e todoke.Engine, m ...todoke.Message) ([]todoke.Result, error) {
	batch, results := make([]*todoke.Message, len(m)), make([]todoke.Result, len(m))
	for i := range m {
		m[i].Type = todoke.TypeText
		batch[i] = &m[i]
	}
	err := e.Publish(ctx, batch, results)
	return results, err
}

// Without a server every call fails soon, says so, and nothing was changed; when it is back everything goes on.
func TestUnreachableStore(t *testing.T) {
	servers := startServers(t, 1)
	e := opened(t, nats.Options{URL: servers.url()})
	put(t, e, "a", "before")
	at := head(t, e)
	d := tail(t, e, at)
	servers.kill(t)
	eventually(t, "it is noticed", func() bool {
		_, err := e.Head(within(t))
		return errors.Is(err, todoke.CodeUnavailable)
	})
	began := time.Now()
	_, err := publish(within(t), e, todoke.Message{Channel: "a", Data: []byte("lost")})
	_, readErr := e.Read(within(t), todoke.Range{Channel: "b", UpTo: at.Offset, Limit: 1})
	_, _, listErr := e.Channels(within(t), "**", 0)
	for call, err := range map[string]error{"Publish": err, "Read": readErr, "Channels": listErr} {
		if !errors.Is(err, todoke.CodeUnavailable) || todoke.AsError(err).RetryAfter == 0 {
			t.Errorf("%s: %v", call, err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to say so", took)
	}
	servers.start(t)
	until(t, e, todoke.Message{Channel: "a", Data: []byte("after"), Type: todoke.TypeText})
	eventually(t, "the tail goes on", func() bool { return d.has("after") })
	if got, _ := texts(t, e, "a", 0); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("read %q", got)
	}
	if got := d.all(); !slices.Equal(got, []string{"epoch", "after"}) {
		t.Errorf("the tail got %q", got)
	}
}

// What is larger than the server takes is refused before anything of its batch is sent.
func TestTooLargeForTheServer(t *testing.T) {
	e := opened(t, nats.Options{Dir: t.TempDir(), MaxPayload: 10_000})
	small, large := todoke.Message{Channel: "a", Data: []byte("x")}, todoke.Message{Channel: "a", Data: make([]byte, 9_990)}
	before := head(t, e)
	for _, batch := range [][]todoke.Message{{large}, {small, large}, {large, small}} {
		if _, err := publish(within(t), e, batch...); !errors.Is(err, todoke.CodeTooLarge) {
			t.Errorf("%d messages: %v", len(batch), err)
		}
	}
	if after := head(t, e); after != before {
		t.Errorf("the head went from %v to %v", before, after)
	}
}

// The leader of three is killed while publishers run: nothing acknowledged is lost, the order stays, and a repetition has the first place.
func TestKilledLeader(t *testing.T) {
	servers := startServers(t, 3)
	e := opened(t, nats.Options{URL: servers.url(), Prefix: "log", Replicas: 3, Timeout: 2 * time.Second})
	other := opened(t, nats.Options{URL: servers.url(), Prefix: "log", Replicas: 3})
	d := tail(t, other, todoke.Position{})
	js := servers.connect(t)
	want := []string{"epoch"}
	send := func(n int) {
		for range n {
			name := fmt.Sprint(len(want))
			until(t, e, todoke.Message{Channel: "a", Data: []byte(name), IdempotencyKey: name, Type: todoke.TypeText})
			want = append(want, name)
		}
	}
	send(50)
	stream, err := js.Stream(within(t), "log")
	if err != nil {
		t.Fatal(err)
	}
	leader := stream.CachedInfo().Cluster.Leader
	began := time.Now()
	servers.killOne(t, int(leader[1]-'0'))
	send(50)
	t.Logf("50 messages took %v, with the leader killed before", time.Since(began).Round(time.Millisecond))
	servers.start(t)
	send(20)
	eventually(t, "the other node has all", func() bool { return d.has(want[len(want)-1]) })
	if got := d.all(); !slices.Equal(got, want) {
		t.Errorf("the other node got %d of %d: %q", len(got), len(want), got)
	}
	if got, lost := texts(t, other, "a", 0); !slices.Equal(got, want[1:]) || lost != (todoke.Loss{}) {
		t.Errorf("read %d of %d, %+v", len(got), len(want)-1, lost)
	}
}
