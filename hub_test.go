package todoke_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
)

func publish(t testing.TB, hub *todoke.Hub, channel string, data ...string) (last todoke.Position) {
	t.Helper()
	for _, d := range data {
		p, err := hub.Publish(t.Context(), todoke.Message{Channel: channel, Data: []byte(d)})
		if err != nil {
			t.Fatal(err)
		}
		last = p.Position
	}
	return last
}

func subscribe(t testing.TB, hub *todoke.Hub, since todoke.Since, channels ...string) *todoke.Subscription {
	t.Helper()
	sub, err := hub.Subscribe(t.Context(), channels, since)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	return sub
}

// pending reads what there is, as words: "a=1" for a message, "gap a 2-3" for a gap, with "?" where it is possible only.
func pending(t testing.TB, sub *todoke.Subscription) string {
	t.Helper()
	var words []string
	for {
		b, err := sub.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Messages) == 0 && len(b.Gaps) == 0 {
			return strings.Join(words, ", ")
		}
		words = append(words, describe(b.Gaps, b.Messages)...)
	}
}

func describe(gaps []todoke.Gap, messages []*todoke.Message) (words []string) {
	for _, g := range gaps {
		word := fmt.Sprintf("gap %s %d-%d", g.Channel, g.From.Offset, g.To.Offset)
		if g.Possible {
			word += "?"
		}
		words = append(words, word)
	}
	for _, m := range messages {
		words = append(words, m.Channel+"="+m.Text())
	}
	return words
}

// settle waits until everything published is marked at subscriptions of several channels.
func settle(t testing.TB, hub *todoke.Hub, sub *todoke.Subscription) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if sub.Position() == hub.Head() {
			return
		}
		if b, err := sub.Read(t.Context()); err != nil || len(b.Messages) > 0 {
			t.Fatal("settle is for a reader without messages", b, err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the reader stays at %v, the head is %v", sub.Position(), hub.Head())
		}
		select {
		case <-sub.Wake():
		case <-time.After(time.Millisecond):
		}
	}
}

func expect(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSinceForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, todoke.Options{})
		first := publish(t, hub, "a", "1")
		publish(t, hub, "b", "2")
		time.Sleep(time.Minute)
		publish(t, hub, "a", "3")
		publish(t, hub, "b", "4", "5")
		for _, c := range []struct {
			since    todoke.Since
			channels []string
			want     string
		}{
			{todoke.Now(), []string{"a"}, ""},
			{todoke.Since{}, []string{"a"}, ""},
			{todoke.Earliest(), []string{"a"}, "a=1, a=3"},
			{todoke.Snapshot(), []string{"a"}, "a=1, a=3"},
			{todoke.Earliest(), []string{"a", "b"}, "a=1, b=2, a=3, b=4, b=5"},
			{todoke.After(first), []string{"a", "b"}, "b=2, a=3, b=4, b=5"},
			{todoke.After(first), []string{"**"}, "b=2, a=3, b=4, b=5"},
			{todoke.Last(1), []string{"a"}, "a=3"},
			{todoke.Last(3), []string{"a", "b"}, "a=3, b=4, b=5"},
			{todoke.Last(100), []string{"*"}, "a=1, b=2, a=3, b=4, b=5"},
			{todoke.Within(time.Second), []string{"a", "b"}, "a=3, b=4, b=5"},
			{todoke.Within(time.Hour), []string{"b"}, "b=2, b=4, b=5"},
			{todoke.Within(time.Hour), []string{"c"}, ""},
			{todoke.Last(2), []string{"c"}, ""},
		} {
			name := fmt.Sprintf("%v of %v: ", c.since, c.channels)
			sub := subscribe(t, hub, c.since, c.channels...)
			expect(t, name+pending(t, sub), name+c.want)
			sub.Close()
			if c.since.IsZero() || c.since == todoke.Now() {
				continue
			}
			page, err := hub.History(t.Context(), todoke.Query{Channels: c.channels, Since: c.since})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, name+strings.Join(describe(page.Gaps, page.Messages), ", "), name+c.want)
			if page.Position != hub.Head() || page.More {
				t.Errorf("%s: the page ends at %v, more %v", name, page.Position, page.More)
			}
		}
		hub.Close()
	})
}

func TestHistoryPages(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	for i := range 10 {
		publish(t, hub, "a", fmt.Sprint(i))
		publish(t, hub, "b", fmt.Sprint(i))
	}
	for limit := 1; limit <= 21; limit++ {
		var words []string
		q := todoke.Query{Channels: []string{"a", "b:*", "*"}, Limit: limit}
		for pages := 0; ; pages++ {
			page, err := hub.History(t.Context(), q)
			if err != nil || pages > 30 {
				t.Fatal(pages, err)
			}
			if page.More && len(page.Messages) != limit {
				t.Errorf("limit %d: a page of %d with more to come", limit, len(page.Messages))
			}
			words = append(words, describe(page.Gaps, page.Messages)...)
			if !page.More {
				break
			}
			q.Since = todoke.After(page.Position)
		}
		want := "a=0, b=0, a=1, b=1, a=2, b=2, a=3, b=3, a=4, b=4, a=5, b=5, a=6, b=6, a=7, b=7, a=8, b=8, a=9, b=9"
		expect(t, strings.Join(words, ", "), want)
	}
}

func TestLiveManyChannels(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	sub := subscribe(t, hub, todoke.Now(), "a", "p:*", "p:x", "deep:**")
	publish(t, hub, "a", "1")
	publish(t, hub, "other", "-")
	publish(t, hub, "p:x", "2")
	publish(t, hub, "a", "3")
	publish(t, hub, "deep:1:2", "4")
	publish(t, hub, "p:new", "5")
	publish(t, hub, "p:x:y", "-")
	var words []string
	for len(words) < 5 {
		b, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, describe(b.Gaps, b.Messages)...)
	}
	expect(t, strings.Join(words, ", "), "a=1, p:x=2, a=3, deep:1:2=4, p:new=5")
	settle(t, hub, sub)

	sub.Remove("p:*", "a")
	publish(t, hub, "p:new", "-")
	publish(t, hub, "a", "-")
	publish(t, hub, "p:x", "6")
	b, err := sub.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, strings.Join(describe(b.Gaps, b.Messages), ", "), "p:x=6")
}

// A topic that a reader of the channel brings about has the readers of patterns too.
func TestPatternReadersOfANewTopic(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	pattern := subscribe(t, hub, todoke.Now(), "a:*")
	single := subscribe(t, hub, todoke.Now(), "a:1")
	publish(t, hub, "a:1", "1")
	expect(t, readWords(t, pattern, 1), "a:1=1")
	expect(t, readWords(t, single, 1), "a:1=1")
}

func TestGaps(t *testing.T) {
	options := todoke.Options{Namespaces: map[string]todoke.Namespace{
		"two":  {Retention: todoke.Retention{Messages: 2}},
		"none": {Retention: todoke.Retention{Messages: -1}},
		"b10":  {Retention: todoke.Retention{Bytes: 30, Messages: 100}},
	}}
	t.Run("exact", func(t *testing.T) {
		hub := newHub(t, options)
		zero := hub.Head()
		first := publish(t, hub, "two:a", "1")
		publish(t, hub, "two:a", "2", "3", "4")
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "two:a")), "gap two:a 1-2, two:a=3, two:a=4")
		expect(t, pending(t, subscribe(t, hub, todoke.After(first), "two:a")), "gap two:a 2-2, two:a=3, two:a=4")
		expect(t, pending(t, subscribe(t, hub, todoke.After(first), "two:*")), "gap two:a 2-2, two:a=3, two:a=4")
		expect(t, pending(t, subscribe(t, hub, todoke.Earliest(), "two:a")), "two:a=3, two:a=4")
		page, err := hub.History(t.Context(), todoke.Query{Channels: []string{"two:a"}, Since: todoke.After(first)})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, strings.Join(describe(page.Gaps, page.Messages), ", "), "gap two:a 2-2, two:a=3, two:a=4")
	})
	t.Run("exactly as much behind as is kept", func(t *testing.T) {
		hub := newHub(t, options)
		p := publish(t, hub, "two:a", "1", "2")
		publish(t, hub, "two:a", "3", "4")
		expect(t, pending(t, subscribe(t, hub, todoke.After(p), "two:a")), "two:a=3, two:a=4")
	})
	t.Run("the same with a tail as without", func(t *testing.T) {
		hub := newHub(t, options)
		live := subscribe(t, hub, todoke.Now(), "two:a")
		first := publish(t, hub, "two:a", "1")
		publish(t, hub, "two:a", "2", "3", "4")
		expect(t, pending(t, subscribe(t, hub, todoke.After(first), "two:a")), "gap two:a 2-2, two:a=3, two:a=4")
		expect(t, pending(t, live), "two:a=1, two:a=2, two:a=3, two:a=4") // it is attached: the tail still has it
	})
	t.Run("a live reader needs no retention", func(t *testing.T) {
		hub := newHub(t, options)
		live := subscribe(t, hub, todoke.Now(), "none:a")
		p := publish(t, hub, "none:a", "1")
		publish(t, hub, "none:a", "2")
		expect(t, pending(t, live), "none:a=1, none:a=2")
		expect(t, pending(t, subscribe(t, hub, todoke.After(p), "none:a")), "gap none:a 2-2?")
	})
	t.Run("bytes", func(t *testing.T) {
		hub := newHub(t, options) // text/plain counts 10 bytes, so two messages of at most 5 fit
		zero := hub.Head()
		publish(t, hub, "b10:a", "12345", "12345", "12345")
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "b10:a")), "gap b10:a 1-1, b10:a=12345, b10:a=12345")
	})
	t.Run("a reader that lags out of the tail", func(t *testing.T) {
		hub := newHub(t, options)
		live := subscribe(t, hub, todoke.Now(), "two:a")
		many := subscribe(t, hub, todoke.Now(), "two:a", "two:b")
		for i := range 1000 {
			publish(t, hub, "two:a", fmt.Sprint(i))
		}
		expect(t, pending(t, live), "gap two:a 1-998, two:a=998, two:a=999")
		watch := subscribe(t, hub, todoke.Now(), "two:b", "two:c")
		publish(t, hub, "two:c", "now everything before is marked")
		if _, err := watch.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, err := many.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		expect(t, strings.Join(describe(b.Gaps, b.Messages), ", "), "gap two:a 1-998")
		expect(t, pending(t, many), "two:a=998, two:a=999")
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, todoke.Options{
			Namespace:  todoke.Namespace{Retention: todoke.Retention{Age: time.Minute}},
			Namespaces: map[string]todoke.Namespace{"brief": {Retention: todoke.Retention{Age: time.Second}}},
		})
		zero := hub.Head()
		publish(t, hub, "a", "1")
		publish(t, hub, "brief:a", "x")
		if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "a", Data: []byte("ttl"), TTL: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		publish(t, hub, "a", "2")
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "a")), "a=1, a=ttl, a=2")
		time.Sleep(10 * time.Second)
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "a")), "a=1, a=2")
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "never")), "") // the brief namespace does not make others unsure
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "brief:b")), "gap brief:b 1-2?")
		live := subscribe(t, hub, todoke.Now(), "a")
		idle := live.Position()
		time.Sleep(2 * time.Minute)
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "a")), "gap a 1-4?")
		expect(t, pending(t, subscribe(t, hub, todoke.After(idle), "a")), "")
		publish(t, hub, "a", "3")
		expect(t, pending(t, subscribe(t, hub, todoke.After(zero), "a")), "gap a 1-4?, a=3")
		expect(t, pending(t, live), "a=3")
		hub.Close()
	})
}

// Attached readers are not given a message whose time to live is over either.
func TestTTLInTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, todoke.Options{})
		one := subscribe(t, hub, todoke.Now(), "a")
		many := subscribe(t, hub, todoke.Now(), "a", "b")
		ttl := func(data string) {
			if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "a", Data: []byte(data), TTL: time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		ttl("x")
		publish(t, hub, "a", "1")
		ttl("y")
		ttl("z")
		publish(t, hub, "a", "2")
		ttl("end")
		time.Sleep(2 * time.Second)
		expect(t, pending(t, one), "a=1, a=2")
		expect(t, pending(t, many), "a=1, a=2")
		if one.Position() != hub.Head() || many.Position() != hub.Head() {
			t.Error("the readers did not pass what had expired")
		}
		hub.Close()
	})
}

func TestForeignPositions(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	publish(t, hub, "x", "-")
	publish(t, hub, "a", "1", "2")
	foreign, _ := todoke.ParsePosition("other-77")
	sub := subscribe(t, hub, todoke.After(foreign), "a")
	b, err := sub.Next(t.Context())
	if err != nil || len(b.Gaps) != 1 || b.Gaps[0].From != foreign || b.Gaps[0].To.Offset != 1 || !b.Gaps[0].Possible {
		t.Fatal(b.Gaps, err)
	}
	expect(t, pending(t, sub), "a=1, a=2")
	beyond := hub.Head()
	beyond.Offset++
	if _, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.After(beyond)); !errors.Is(err, todoke.CodeInvalidPosition) {
		t.Error(err)
	}
}

func TestDrainAndClose(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	sub := subscribe(t, hub, todoke.Now(), "a")
	waiting := make(chan error)
	go func() {
		idle := subscribe(t, hub, todoke.Now(), "b")
		waiting <- nil
		_, err := idle.Next(t.Context())
		waiting <- err
	}()
	<-waiting
	publish(t, hub, "a", "1")
	hub.Drain(time.Minute)
	b, err := sub.Next(t.Context())
	if err != nil || len(b.Messages) != 1 {
		t.Fatal("what is pending comes first", b, err)
	}
	for _, err := range []error{<-waiting, func() error { _, err := sub.Next(t.Context()); return err }(), func() error {
		_, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.Now())
		return err
	}()} {
		if !errors.Is(err, todoke.CodeRestarting) || todoke.AsError(err).RetryAfter > time.Minute {
			t.Error(err)
		}
	}
	publish(t, hub, "a", "2") // publishing goes on
	if err := hub.Close(); err != nil {
		t.Error(err)
	}
	if err := hub.Close(); err != nil {
		t.Error(err)
	}
	if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "a"}); !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
	if _, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.Now()); !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
	if _, err := hub.History(t.Context(), todoke.Query{Channels: []string{"a"}}); !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
	if _, err := sub.Next(t.Context()); err == nil {
		t.Error("a subscription outlives its hub")
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	sub := subscribe(t, hub, todoke.Now(), "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sub.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	sub.Close()
	if _, err := sub.Next(t.Context()); !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
}
