package enginetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var onceScenarios = []scenario{
	{name: "a repeated key gives the first result and appends nothing", run: onceSequential},
	{name: "a repeated key within one batch", run: onceInBatch},
	{name: "one key from many goroutines is appended once", run: onceConcurrent},
	{name: "the same key on another channel is independent", run: onceByChannel},
	{name: "a key is remembered when its message is no longer retained", run: onceAfterRetention},
	{name: "a key is remembered when its channel's state was dropped", run: timed(onceAfterDrop)},
	{name: "keys are compared byte for byte", run: onceByteForByte},
	{name: "after the window a key is appended again", run: timed(onceWindow), lacks: needsWindow},
	{name: "the window ends to the millisecond", run: timed(onceWindowExact), lacks: func(h Harness) string {
		return needsWindow(h) + needsFakeTime(h)
	}},
}

// keyed is a message with an idempotency key.
func keyed(channel, key, data string) *todoke.Message {
	m := text(channel, data)
	m.IdempotencyKey = key
	return m
}

// repeats fails unless r is a duplicate of first.
func repeats(t *testing.T, what string, r todoke.Result, first *todoke.Message) {
	t.Helper()
	if !r.Duplicate || r.Position != first.Position || !r.Time.Equal(first.Time) {
		t.Fatalf("%s: the result is %+v, want a duplicate of %v at %v", what, r, first.Position, first.Time)
	}
}

func onceSequential(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	f.publish(keyed("a", "k1", "first"))
	first := f.log[0]
	for i := range 5 {
		f.series("b", i)
		before := f.head()
		repeats(t, "repeated", f.publish(keyed("a", "k1", fmt.Sprintf("other data %d", i)))[0], first)
		if head := f.head(); head != before {
			t.Fatalf("a duplicate moved the head from %v to %v", before, head)
		}
	}
	f.publish(keyed("a", "k2", "another key"), text("a", "no key"), text("a", "no key"))
	if sent := f.of("a"); len(sent) != 4 {
		t.Fatalf("%d of 4 were appended: no key is no duplicate", len(sent))
	}
	compare(t, "Read", f.rest("a", 0).Messages, f.of("a"))
	tl.gives(f.log)
}

func onceInBatch(t *testing.T, h Harness) {
	f := open(t, h, nil)
	tl := f.tail(todoke.Position{})
	f.publish(keyed("a", "old", "0"))
	results := f.publish(
		keyed("a", "old", "1"), keyed("a", "new", "2"), text("a", "3"), keyed("b", "new", "4"),
		keyed("a", "new", "5"), keyed("a", "old", "6"), keyed("b", "new", "7"), text("a", "8"))
	repeats(t, "of before the batch", results[0], f.log[0])
	repeats(t, "within the batch", results[4], f.log[1])
	repeats(t, "of before, again", results[5], f.log[0])
	repeats(t, "within the batch, on another channel", results[6], f.log[3])
	if len(f.log) != 5 {
		t.Fatalf("%d appended, want 5: %+v", len(f.log), results)
	}
	compare(t, "Read", f.rest("a", 0).Messages, f.of("a"))
	compare(t, "Read", f.rest("b", 0).Messages, f.of("b"))
	tl.gives(f.log)

	before := f.head()
	results = f.publish(keyed("a", "old", "9"), keyed("b", "new", "10"))
	repeats(t, "a batch of duplicates", results[0], f.log[0])
	repeats(t, "a batch of duplicates", results[1], f.log[3])
	if head := f.head(); head != before {
		t.Errorf("a batch of duplicates moved the head from %v to %v", before, head)
	}
}

func onceConcurrent(t *testing.T, h Harness) {
	const goroutines, keys = 16, 25
	f := open(t, h, nil)
	results := make([][]todoke.Result, goroutines)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			<-start
			for k := range keys {
				r, err := try(f.ctx, f.e, keyed("a", fmt.Sprintf("k%d", k), fmt.Sprintf("%d of %d", k, g)))
				if err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
				results[g] = append(results[g], r[0])
			}
		})
	}
	close(start)
	wg.Wait()
	if t.Failed() {
		return
	}
	var log []*todoke.Message
	for k := range keys {
		appended := 0
		for g := range goroutines {
			r := results[g][k]
			if !r.Duplicate {
				appended++
				log = append(log, published(text("a", fmt.Sprintf("%d of %d", k, g)), r))
			}
			if r0 := results[0][k]; r.Position != r0.Position || !r.Time.Equal(r0.Time) {
				t.Fatalf("key %d: %v at %v for one, %v at %v for another", k, r.Position, r.Time, r0.Position, r0.Time)
			}
		}
		if appended != 1 {
			t.Fatalf("key %d was appended %d times", k, appended)
		}
	}
	compare(t, "Read", f.rest("a", 0).Messages, f.merge([][]*todoke.Message{log}))
}

func onceByChannel(t *testing.T, h Harness) {
	f := open(t, h, nil)
	// Pairs that a store which joins channel and key may mix up.
	pairs := [][2]string{{"a", "b:c"}, {"a:b", "c"}, {"a", "k"}, {"b", "k"}, {"ak", "k"}, {"a", "kk"}, {"a:b", "b:c"}}
	for _, p := range pairs {
		if r := f.publish(keyed(p[0], p[1], "x"))[0]; r.Duplicate {
			t.Errorf("key %q on %s is a duplicate of %v", p[1], p[0], r.Position)
		}
	}
	if t.Failed() {
		return
	}
	for i, p := range pairs {
		repeats(t, fmt.Sprint(p), f.publish(keyed(p[0], p[1], "y"))[0], f.log[i])
	}
}

func onceAfterRetention(t *testing.T, h Harness) {
	f := open(t, h, rules{"one": {Messages: 1, Bytes: -1, Age: -1}, "none": {Messages: -1, Bytes: -1, Age: -1}})
	f.publish(keyed("one:a", "k", "1"), keyed("none:a", "k", "2"))
	f.series("one:a", 3)
	repeats(t, "trimmed", f.publish(keyed("one:a", "k", "3"))[0], f.log[0])
	repeats(t, "never kept", f.publish(keyed("none:a", "k", "4"))[0], f.log[1])
}

func onceAfterDrop(t *testing.T, h Harness) {
	f := open(t, h, ages(brief))
	f.publish(keyed("r:a", "k", "1"))
	f.dropped("r:a")
	repeats(t, "dropped", f.publish(keyed("r:a", "k", "2"))[0], f.log[0])
}

func onceByteForByte(t *testing.T, h Harness) {
	f := open(t, h, nil)
	keys := []string{"a", "A", " a", "a ", "ä", "a\u0308", "a:b", "a.b", "*", ">", "$x", "%20", "+", "\"q\"", "日本", string(makeName(todoke.MaxNameBytes, 'x')), string(makeName(todoke.MaxNameBytes, 'y'))}
	for _, key := range keys {
		if r := f.publish(keyed("a", key, key))[0]; r.Duplicate {
			t.Errorf("key %q is a duplicate of %v", key, r.Position)
		}
	}
	if t.Failed() {
		return
	}
	for i, key := range keys {
		repeats(t, key, f.publish(keyed("a", key, "again"))[0], f.log[i])
	}
}

func onceWindow(t *testing.T, h Harness) {
	const window = 300 * time.Millisecond
	f := openEngine(t, h, h.NewWindow(t, window), nil)
	// Each key is repeated once only, for a repetition may be a use that the window counts from.
	var batch []*todoke.Message
	for i := range 200 {
		batch = append(batch, keyed("a", fmt.Sprint(i), "first"))
	}
	f.publish(batch...)
	i := -1
	eventuallyIn(t, patience, "a key can be used again", func() bool {
		pass(window / 3)
		i++
		return !f.publish(keyed("a", fmt.Sprint(i), "second"))[0].Duplicate
	})
	compare(t, "Read", f.rest("a", 0).Messages, f.log)
	again := f.log[len(f.log)-1]
	if r := f.publish(keyed("a", fmt.Sprint(i), "third"))[0]; r.Duplicate {
		repeats(t, "within the new window", r, again)
	} else if time.Since(again.Time) < window {
		t.Errorf("the key was used %v ago and is appended again", time.Since(again.Time))
	}
}

func onceWindowExact(t *testing.T, h Harness) {
	const window = time.Minute
	f := openEngine(t, h, h.NewWindow(t, window), nil)
	f.publish(keyed("a", "k", "first"), keyed("a", "l", "first"))
	pass(window - time.Millisecond)
	repeats(t, "before the end of the window", f.publish(keyed("a", "k", "second"))[0], f.log[0])
	pass(2 * time.Millisecond)
	if r := f.publish(keyed("a", "l", "second"))[0]; r.Duplicate {
		t.Errorf("after the window: %+v", r)
	}
}
