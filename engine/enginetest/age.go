package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var ageScenarios = []scenario{
	{name: "retention by age on an idle channel, and the loss is told", run: timed(ageIdle)},
	{name: "retention by age to the millisecond", run: timed(ageExact), lacks: needsFakeTime},
	{name: "age zero is ten minutes, negative is no limit", run: timed(ageSettings), lacks: needsFakeTime},
	{name: "expired messages are not read and are no loss", run: timed(ttlExpired)},
	{name: "a TTL ends to the millisecond", run: timed(ttlExact), lacks: needsFakeTime},
	{name: "a channel of expired messages only", run: timed(ttlOnly)},
	{name: "dropped state is a possible loss for whom it may concern", run: timed(stateDropped)},
	{name: "a channel comes back after its state was dropped", run: timed(comesBack)},
	{name: "dropped state of one namespace is no loss in another", run: timed(horizonsApart),
		lacks: func(h Harness) string {
			if h.SharedHorizon {
				return "Harness.SharedHorizon is set: the log has one horizon"
			}
			return ""
		}},
	{name: "a channel that had state all along has exact losses", run: timed(stateAllAlong), lacks: needsFakeTime},
	{name: "many channels are dropped, and none of them is silent", run: timed(manyDropped)},
}

// brief is the age of retentions that a scenario waits for.
const brief = 400 * time.Millisecond

// ages are rules with the namespace r of age d.
func ages(d time.Duration) rules { return rules{"r": {Messages: 1000, Bytes: -1, Age: d}} }

// honest reads the rest of channel after an offset and fails unless it is the end of what was published there, and
// what is missing is told.
func (f *fixture) honest(channel string, after todoke.Offset) todoke.Page {
	f.t.Helper()
	p := f.rest(channel, after)
	sent := within(f.of(channel), after, todoke.MaxOffset)
	compare(f.t, fmt.Sprintf("Read(%s after %d)", channel, after), p.Messages, newest(sent, len(p.Messages)))
	if missing := len(sent) - len(p.Messages); missing > 0 && p.Lost.Through < sent[missing-1].Position.Offset {
		f.t.Fatalf("Read(%s after %d): all up to %d is gone, and the loss is %+v", channel, after, sent[missing-1].Position.Offset, p.Lost)
	}
	return p
}

// allGone waits until nothing of channel can be read.
func (f *fixture) allGone(channel string) {
	f.t.Helper()
	eventuallyIn(f.t, patience+f.h.MaxAgeLag, channel+" is empty", func() bool {
		return len(f.honest(channel, 0).Messages) == 0
	})
}

func ageIdle(t *testing.T, h Harness) {
	f := open(t, h, ages(brief))
	f.series("r:a", 5)
	f.series("keeps", 1)
	f.series("r:a", 2)
	f.allGone("r:a")
	sent := f.of("r:a")
	last := sent[len(sent)-1].Position.Offset
	for after := todoke.Offset(0); after < last; after++ {
		p := f.rest("r:a", after)
		f.lostAll("r:a", p.Lost)
		f.listed("r:*", after)
	}
	if p := f.rest("r:a", last); p.Lost != (todoke.Loss{}) {
		t.Errorf("a reader who has everything: the loss is %+v", p.Lost)
	}
	if head := f.head(); head.Offset < f.last() {
		t.Errorf("the head went back to %v; %d was acknowledged", head, f.last())
	}
	f.keeps("keeps", f.of("keeps"))
}

func ageExact(t *testing.T, h Harness) {
	const age, step = time.Second, 50 * time.Millisecond // so that a message is looked at 1 ms before and after its time
	f := open(t, h, ages(age))
	for range 60 {
		f.series("r:a", 1)
		sent := f.of("r:a")
		for _, wait := range []time.Duration{1 * time.Millisecond, step - 2*time.Millisecond, 1 * time.Millisecond} {
			pass(wait)
			p := f.rest("r:a", 0)
			got := p.Messages
			compare(t, "Read(r:a)", got, newest(sent, len(got)))
			for i, m := range sent {
				old, kept := time.Since(m.Time), i >= len(sent)-len(got)
				if !kept && old < age || kept && old > age+h.MaxAgeLag {
					t.Fatalf("a message %v old: kept is %v; the age is %v and may lag %v", old, kept, age, h.MaxAgeLag)
				}
			}
			if loss := exact(sent, got, 0); p.Lost != loss {
				t.Fatalf("the loss is %+v, want %+v", p.Lost, loss)
			}
		}
	}
}

func ageSettings(t *testing.T, h Harness) {
	f := open(t, h, rules{"zero": {}, "forever": {Age: -1}})
	f.series("zero:a", 2)
	f.series("forever:a", 2)
	pass(todoke.DefaultRetainAge - time.Millisecond)
	f.keeps("zero:a", f.of("zero:a"))
	pass(h.MaxAgeLag + 2*time.Millisecond)
	if p := f.honest("zero:a", 0); len(p.Messages) > 0 {
		t.Errorf("after %v %s is kept", todoke.DefaultRetainAge, offsets(p.Messages))
	}
	pass(30 * 24 * time.Hour)
	f.keeps("forever:a", f.of("forever:a"))
}

// lasting is a message with a TTL.
func lasting(channel, data string, ttl time.Duration) *todoke.Message {
	m := text(channel, data)
	m.TTL = ttl
	return m
}

func ttlExpired(t *testing.T, h Harness) {
	f := open(t, h, rules{"r": {Messages: 5, Bytes: -1, Age: -1}})
	f.publish(lasting("r:a", "short", brief), text("r:a", "stays"), lasting("r:a", "long", 24*time.Hour), lasting("r:a", "short too", brief))
	stay := f.log[1:3]
	eventuallyIn(t, patience+h.MaxAgeLag, "the expired messages are gone", func() bool {
		p := f.rest("r:a", 0)
		if p.Lost != (todoke.Loss{}) {
			t.Fatalf("the loss is %+v; messages whose TTL is over are none", p.Lost)
		}
		return len(p.Messages) == 2
	})
	for after := todoke.Offset(0); after <= f.last(); after++ {
		p := f.rest("r:a", after)
		compare(t, "Read", p.Messages, within(stay, after, f.last()))
		if p.Lost != (todoke.Loss{}) {
			t.Fatalf("after %d the loss is %+v; messages whose TTL is over are none", after, p.Lost)
		}
	}
	for _, newest := range []bool{false, true} {
		got, _ := f.paged(todoke.Range{Channel: "r:a", UpTo: f.head().Offset, Limit: 1, Newest: newest})
		compare(t, "paged", got, stay)
	}
	// What is trimmed later is a loss again.
	f.series("r:a", 6)
	sent := f.of("r:a")
	p := f.rest("r:a", 0)
	compare(t, "Read", p.Messages, newest(sent, 5))
	if want := (todoke.Loss{Through: sent[len(sent)-6].Position.Offset}); p.Lost != want {
		t.Errorf("the loss is %+v, want %+v", p.Lost, want)
	}
}

func ttlExact(t *testing.T, h Harness) {
	f := open(t, h, nil)
	const ttl = 3 * time.Second
	f.publish(text("a", "before"), lasting("a", "passing", ttl), text("a", "after"))
	pass(ttl - time.Millisecond)
	compare(t, "before the TTL is over", f.rest("a", 0).Messages, f.log)
	pass(time.Millisecond + h.MaxAgeLag)
	compare(t, "when the TTL is over", f.rest("a", 0).Messages, []*todoke.Message{f.log[0], f.log[2]})
	pass(24 * time.Hour)
	compare(t, "a day later", f.rest("a", 0).Messages, []*todoke.Message{f.log[0], f.log[2]})
}

func ttlOnly(t *testing.T, h Harness) {
	f := open(t, h, nil)
	for i := range 3 {
		f.publish(lasting("a", fmt.Sprint(i), brief))
	}
	last := f.last()
	eventuallyIn(t, patience+h.MaxAgeLag, "all expired messages are gone", func() bool {
		p := f.rest("a", 0)
		if p.Lost != (todoke.Loss{}) && !p.Lost.Possible {
			t.Fatalf("the loss is %+v; messages whose TTL is over are none", p.Lost)
		}
		return len(p.Messages) == 0
	})
	f.series("a", 2)
	p := f.rest("a", last)
	compare(t, "Read", p.Messages, f.log[3:])
	if p.Lost != (todoke.Loss{}) {
		t.Errorf("a reader who had everything: the loss is %+v", p.Lost)
	}
}
