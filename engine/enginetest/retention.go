package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
)

var retentionScenarios = []scenario{
	{name: "retention by messages keeps exactly the newest N", run: keepMessages},
	{name: "retention by bytes keeps exactly the newest that fit", run: keepBytes},
	{name: "retention by bytes counts names and headers", run: keepBytesOfNames},
	{name: "the first limit reached counts", run: keepFirstLimit},
	{name: "retention of one message, and of one large message after many small ones", run: keepOne},
	{name: "zero settings are the defaults", run: keepDefaults},
	{name: "negative bytes are no limit", run: keepNegativeBytes},
	{name: "negative messages keep none, and are delivered", run: keepNone},
	{name: "each namespace has its own retention", run: keepByNamespace},
	{name: "a batch larger than the retention keeps its end", run: keepEndOfBatch},
}

// newest is the last n of messages.
func newest(messages []*todoke.Message, n int) []*todoke.Message {
	return messages[max(0, len(messages)-n):]
}

func keepMessages(t *testing.T, h Harness) {
	for _, n := range []int{1, 2, 5, 16} {
		f := open(t, h, rules{"r": {Messages: n, Bytes: -1, Age: -1}})
		for i := range 2*n + 3 {
			f.series("r:a", 1)
			if i%3 == 0 {
				f.series("other", 1) // so that offsets have gaps
			}
			f.keeps("r:a", newest(f.of("r:a"), n))
		}
		f.keeps("other", f.of("other"))
	}
}

func keepBytes(t *testing.T, h Harness) {
	// Ten messages of 10,000 bytes fit whatever little their names count for; eleven do not.
	f := open(t, h, rules{"r": {Messages: 1000, Bytes: 105_000, Age: -1}})
	for i := range 14 {
		f.publish(text("r:a", strings.Repeat(fmt.Sprint(i%10), 10_000)), text("other", ""))
		f.keeps("r:a", newest(f.of("r:a"), 10))
	}
}

func keepBytesOfNames(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 1000, Bytes: 20_500, Age: -1}})
	for range 8 {
		m := text("r:a", "")
		m.Event, m.Key = strings.Repeat("e", 250), strings.Repeat("k", 250)
		m.Headers = map[string]string{strings.Repeat("n", 500): strings.Repeat("v", 3000)}
		f.publish(m)
		f.keeps("r:a", newest(f.of("r:a"), 5))
	}
}

func keepFirstLimit(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 4, Bytes: 10_500, Age: -1}})
	for range 6 {
		f.publish(text("r:a", "small"))
	}
	f.keeps("r:a", newest(f.of("r:a"), 4))
	for range 3 {
		f.publish(text("r:a", strings.Repeat("x", 5000)))
	}
	f.keeps("r:a", newest(f.of("r:a"), 2))
	for range 6 {
		f.publish(text("r:a", "small"))
	}
	f.keeps("r:a", newest(f.of("r:a"), 4))
}

func keepOne(t *testing.T, h Harness) {
	f := open(t, h, rules{"one": {Messages: 1, Bytes: -1, Age: -1}, "b": {Messages: 1000, Bytes: 10_000, Age: -1}})
	for range 5 {
		f.series("one:a", 1)
		f.keeps("one:a", newest(f.of("one:a"), 1))
	}
	f.series("b:a", 50)
	f.publish(text("b:a", strings.Repeat("x", 9900))) // alone nearly all that fits
	got := f.rest("b:a", 0)
	if n := len(got.Messages); n == 0 || n > 10 || got.Messages[n-1].Position.Offset != f.last() {
		t.Errorf("after a message of 9,900 of 10,000 bytes, %s is kept", offsets(got.Messages))
	}
	f.keeps("b:a", newest(f.of("b:a"), len(got.Messages)))
}

func keepDefaults(t *testing.T, h Harness) {
	f := open(t, h, rules{"zero": {}})
	for sent := 0; sent <= todoke.DefaultRetainMessages; {
		batch := make([]*todoke.Message, 0, 500)
		for ; len(batch) < cap(batch) && sent <= todoke.DefaultRetainMessages; sent++ {
			batch = append(batch, text("zero:count", fmt.Sprint(sent)))
		}
		f.publish(batch...)
		if sent == todoke.DefaultRetainMessages {
			if p := f.rest("zero:count", 0); p.Lost != (todoke.Loss{}) || len(p.Messages) != sent {
				t.Fatalf("%d published, %d kept, the loss is %+v", sent, len(p.Messages), p.Lost)
			}
		}
	}
	want := f.log[1:]
	p := f.rest("zero:count", 0)
	compare(t, "one more than the default", p.Messages, want)
	if loss := exact(f.log, want, 0); p.Lost != loss {
		t.Errorf("the loss is %+v, want %+v", p.Lost, loss)
	}

	const each = 1 << 20
	for range todoke.DefaultRetainBytes/each + 1 {
		f.publish(text("zero:bytes", strings.Repeat("x", each-200)))
	}
	sent := f.of("zero:bytes")
	p = f.rest("zero:bytes", 0)
	compare(t, "over the default of bytes", p.Messages, sent[1:])
	if loss := exact(sent, sent[1:], 0); p.Lost != loss {
		t.Errorf("the loss is %+v, want %+v", p.Lost, loss)
	}
}

func keepNegativeBytes(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 1000, Bytes: -1, Age: -1}})
	for range 18 {
		f.publish(text("r:a", strings.Repeat("x", 1_000_000)))
	}
	p := f.rest("r:a", 0)
	compare(t, "18 MB without a limit", p.Messages, f.log)
	if p.Lost != (todoke.Loss{}) {
		t.Errorf("the loss is %+v, and all is kept", p.Lost)
	}
}

func keepNone(t *testing.T, h Harness) {
	f := open(t, h, rules{"live": {Messages: -1, Bytes: -1, Age: -1}})
	tl := f.tail(todoke.Position{})
	for range 5 {
		f.series("live:a", 2)
		f.series("other", 1)
		p := f.rest("live:a", 0)
		if len(p.Messages) > 0 {
			t.Fatalf("%s is kept, where none is to be", offsets(p.Messages))
		}
		f.lostAll("live:a", p.Lost)
		at := f.last()
		if p := f.rest("live:a", at); p.Lost != (todoke.Loss{}) {
			t.Fatalf("a reader at the head %d: the loss is %+v", at, p.Lost)
		}
	}
	tl.covers(f.log)
	if got, _, _ := tl.seen(); len(of(got, "live:a")) == 0 {
		t.Error("Tail applied no message of a channel that keeps none: nobody can get them")
	}
}

// lostAll fails unless loss tells a reader of channel that all that was published on it is gone: exactly, or
// as possible where state may be dropped.
func (f *fixture) lostAll(channel string, loss todoke.Loss) {
	f.t.Helper()
	sent := f.of(channel)
	last := sent[len(sent)-1].Position.Offset
	switch {
	case loss == todoke.Loss{Through: last}:
	case loss.Possible && loss.Through >= last && loss.Through <= f.last() && !f.h.KeepsState:
	default:
		f.t.Fatalf("%s: all up to %d is gone, and the loss is %+v", channel, last, loss)
	}
}

func keepByNamespace(t *testing.T, h Harness) {
	f := open(t, h, rules{"two": {Messages: 2, Bytes: -1, Age: -1}, "five": {Messages: 5, Bytes: -1, Age: -1}})
	for range 8 {
		f.publish(text("two:a", "1"), text("five:a", "2"), text("two:b", "3"), text("free", "4"))
	}
	f.keeps("two:a", newest(f.of("two:a"), 2))
	f.keeps("two:b", newest(f.of("two:b"), 2))
	f.keeps("five:a", newest(f.of("five:a"), 5))
	f.keeps("free", f.of("free"))
}

func keepEndOfBatch(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 3, Bytes: -1, Age: -1}})
	tl := f.tail(todoke.Position{})
	for range 3 {
		var batch []*todoke.Message
		for i := range 10 {
			batch = append(batch, text([]string{"r:a", "r:b"}[i%2], fmt.Sprint(i)))
		}
		f.publish(batch...)
		f.keeps("r:a", newest(f.of("r:a"), 3))
		f.keeps("r:b", newest(f.of("r:b"), 3))
	}
	tl.covers(f.log)
}
