package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
)

// patience is how long a scenario waits for what must come; under synctest it is not real time.
const patience = 30 * time.Second

// rules are retentions by namespace; "" is that of all others.
type rules map[string]todoke.Retention

// roomy keeps everything a scenario publishes.
var roomy = todoke.Retention{Messages: 1 << 20, Bytes: -1, Age: -1}

// A fixture is an opened engine, and what was published to it from the fixture's own goroutine.
type fixture struct {
	t    *testing.T
	h    Harness
	ctx  context.Context
	e    todoke.Engine
	keep map[string]*todoke.Retention

	epoch string
	log   []*todoke.Message // as they must be read, ascending
}

// open opens a new engine. Without rules everything is kept.
func open(t *testing.T, h Harness, r rules) *fixture {
	t.Helper()
	return openEngine(t, h, h.New(t), r)
}

func openEngine(t *testing.T, h Harness, e todoke.Engine, r rules) *fixture {
	t.Helper()
	// Not t.Context: it ends before the cleanups, which still close the engine.
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f := &fixture{t: t, h: h, ctx: ctx, e: e, keep: map[string]*todoke.Retention{"": &roomy}}
	for ns, keep := range r {
		f.keep[ns] = &keep
	}
	f.open()
	return f
}

// open opens f.e, arranges for its end and takes its epoch.
func (f *fixture) open() {
	f.t.Helper()
	e := f.e
	f.t.Cleanup(func() {
		if err := e.Close(); err != nil {
			f.t.Errorf("Close: %v", err)
		}
	})
	if err := e.Open(f.ctx, f.retention); err != nil {
		f.t.Fatalf("Open: %v", err)
	}
	f.epoch = f.head().Epoch
}

// retention is what Open takes: one pointer per namespace.
func (f *fixture) retention(channel string) *todoke.Retention {
	if keep := f.keep[todoke.NamespaceOf(channel)]; keep != nil {
		return keep
	}
	return f.keep[""]
}

// text makes a valid message.
func text(channel, data string) *todoke.Message {
	return &todoke.Message{Channel: channel, Data: []byte(data), Type: todoke.TypeText}
}

// clone copies a message so that nothing is shared.
func clone(m *todoke.Message) *todoke.Message {
	c := *m
	c.Data = slices.Clone(m.Data)
	c.Headers = maps.Clone(m.Headers)
	return &c
}

// try publishes copies of batch and returns the results as they are.
func try(ctx context.Context, e todoke.Engine, batch ...*todoke.Message) ([]todoke.Result, error) {
	given := make([]*todoke.Message, len(batch))
	for i, m := range batch {
		given[i] = clone(m)
	}
	results := make([]todoke.Result, len(batch))
	err := e.Publish(ctx, given, results)
	return results, err
}

// publish publishes batch, adds what was appended to f.log, and holds the results to the contract. Only one
// goroutine may publish while it is used.
func (f *fixture) publish(batch ...*todoke.Message) []todoke.Result {
	f.t.Helper()
	results, err := try(f.ctx, f.e, batch...)
	if err != nil {
		f.t.Fatalf("Publish: %v", err)
	}
	for i, r := range results {
		if r.Position.Epoch != f.epoch {
			f.t.Fatalf("Publish: message %d has position %v, but the epoch is %q", i, r.Position, f.epoch)
		}
		if r.Time.IsZero() {
			f.t.Fatalf("Publish: message %d at %v has no time", i, r.Position)
		}
		if r.Duplicate {
			continue
		}
		if last := f.last(); r.Position.Offset <= last {
			f.t.Fatalf("Publish: message %d got offset %d after %d", i, r.Position.Offset, last)
		}
		if n := len(f.log); n > 0 && r.Time.Before(f.log[n-1].Time) {
			f.t.Fatalf("Publish: time went back from %v to %v", f.log[n-1].Time, r.Time)
		}
		f.log = append(f.log, published(batch[i], r))
	}
	return results
}

// published is m as it must be read after r.
func published(m *todoke.Message, r todoke.Result) *todoke.Message {
	c := clone(m)
	c.IdempotencyKey = ""
	c.Position, c.Time = r.Position, r.Time
	return c
}

// series publishes n short messages to channel, one by one.
func (f *fixture) series(channel string, n int) {
	f.t.Helper()
	for i := range n {
		f.publish(text(channel, fmt.Sprintf("%s %d", channel, i)))
	}
}

// last is the newest offset of f.log.
func (f *fixture) last() todoke.Offset {
	if len(f.log) == 0 {
		return 0
	}
	return f.log[len(f.log)-1].Position.Offset
}

// of returns the messages of f.log on channel.
func (f *fixture) of(channel string) []*todoke.Message { return of(f.log, channel) }

func of(log []*todoke.Message, channel string) []*todoke.Message {
	var out []*todoke.Message
	for _, m := range log {
		if m.Channel == channel {
			out = append(out, m)
		}
	}
	return out
}

// within returns the messages of ascending log in (after, upTo].
func within(log []*todoke.Message, after, upTo todoke.Offset) []*todoke.Message {
	var out []*todoke.Message
	for _, m := range log {
		if m.Position.Offset > after && m.Position.Offset <= upTo {
			out = append(out, m)
		}
	}
	return out
}

func (f *fixture) head() todoke.Position {
	f.t.Helper()
	p, err := f.e.Head(f.ctx)
	if err != nil {
		f.t.Fatalf("Head: %v", err)
	}
	return p
}

// pass lets time go by; under synctest that takes none.
func pass(d time.Duration) { <-time.After(d) }

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	eventuallyIn(t, patience, what, cond)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); pass(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", limit, what)
		}
	}
}

// timed runs a scenario that depends on time: with fake time where the harness allows it.
func timed(run func(t *testing.T, h Harness)) func(t *testing.T, h Harness) {
	return func(t *testing.T, h Harness) {
		if !h.InProcess {
			run(t, h)
			return
		}
		synctest.Test(t, func(t *testing.T) { run(t, h) })
	}
}

// differ says how got is not what was published, or "".
func differ(got, want *todoke.Message) string {
	var parts []string
	add := func(field string, g, w any) { parts = append(parts, fmt.Sprintf("%s is %v, not %v", field, g, w)) }
	if got.Channel != want.Channel {
		add("channel", got.Channel, want.Channel)
	}
	if string(got.Data) != string(want.Data) {
		add("data", short(got.Data), short(want.Data))
	}
	for _, s := range [...][3]string{
		{"type", got.Type, want.Type}, {"event", got.Event, want.Event}, {"key", got.Key, want.Key}, {"idempotency key", got.IdempotencyKey, ""},
	} {
		if s[1] != s[2] {
			add(s[0], fmt.Sprintf("%q", s[1]), fmt.Sprintf("%q", s[2]))
		}
	}
	if !maps.Equal(got.Headers, want.Headers) {
		add("headers", got.Headers, want.Headers)
	}
	if got.TTL != want.TTL {
		add("TTL", got.TTL, want.TTL)
	}
	if got.Position != want.Position {
		add("position", got.Position, want.Position)
	}
	if !got.Time.Equal(want.Time) {
		add("time", got.Time, want.Time)
	}
	return strings.Join(parts, "; ")
}

func short(data []byte) string {
	if len(data) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", data[:40], len(data))
	}
	return fmt.Sprintf("%q", data)
}

// compare fails the test unless got is want, in order.
func compare(t *testing.T, what string, got, want []*todoke.Message) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if d := differ(got[i], want[i]); d != "" {
			t.Fatalf("%s: message %d of %d: %s", what, i, len(want), d)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: got %d messages %s, want %d %s", what, len(got), offsets(got), len(want), offsets(want))
	}
}

// offsets shows where messages lie.
func offsets(messages []*todoke.Message) string {
	var b strings.Builder
	for i, m := range messages {
		if i == 20 {
			return b.String() + " …]"
		}
		fmt.Fprintf(&b, " %s@%d", m.Channel, m.Position.Offset)
	}
	return "[" + b.String() + " ]"
}

// wantCode fails the test unless err matches code.
func wantCode(t *testing.T, call string, err error, code error) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("%s: the error is %v; it should match %v", call, err, code)
	}
}
