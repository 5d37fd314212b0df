// Package directorytest is the suite that every todoke.Directory passes. An implementation brings a way to make nodes that know
// each other:
//
//	directorytest.Run(t, directorytest.Harness{Join: func(t *testing.T, node string, ttl time.Duration) todoke.Directory { … }})
package directorytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Harness is how the suite gets at an implementation.
type Harness struct {
	// Join adds a node to the directory. Nodes of one test (t) know each other and no others. Required.
	Join func(t *testing.T, node string, ttl time.Duration) todoke.Directory
	// Cut ends a node without a word, as kill -9 does. Nil: the directory has one node only, and so has the suite.
	Cut func(t *testing.T, d todoke.Directory)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, s := range []struct {
		name  string
		run   func(t *testing.T, h Harness)
		alone bool // makes sense with one node
	}{
		{"a node has what it set", own, true},
		{"limits", limits, true},
		{"watch tells all and then changes", watch, true},
		{"closed", closed, true},
		{"nodes see each other", seeEachOther, false},
		{"who comes late sees all", late, false},
		{"a node that goes is gone at once", goes, false},
		{"a node that is cut off is gone after a while", cutOff, false},
		{"a node that comes again begins anew", again, false},
		{"many changes", many, false},
	} {
		if h.Cut == nil && !s.alone {
			continue
		}
		t.Run(s.name, func(t *testing.T) { s.run(t, h) })
	}
}

const (
	long     = time.Minute // a lease that does not end during a test
	short    = 600 * time.Millisecond
	patience = 20 * time.Second
)

func join(t *testing.T, h Harness, node string, ttl time.Duration) todoke.Directory {
	t.Helper()
	d := h.Join(t, node, ttl)
	t.Cleanup(func() { d.Close() })
	return d
}

func set(t *testing.T, d todoke.Directory, key, value string) {
	t.Helper()
	var v []byte
	if value != "" {
		v = []byte(value)
	}
	if err := d.Set(t.Context(), key, v); err != nil {
		t.Fatal(err)
	}
}

// says is a directory in words: "a/k=1 b/k=2".
func says(d todoke.Directory) string {
	var words []string
	for _, e := range d.Entries() {
		words = append(words, fmt.Sprintf("%s/%s=%s", e.Node, e.Key, e.Value))
	}
	return strings.Join(words, " ")
}

func comes(t *testing.T, d todoke.Directory, want string) {
	t.Helper()
	waitFor(t, func() string { return says(d) }, want)
}

func waitFor(t *testing.T, get func() string, want string) {
	t.Helper()
	for end := time.Now().Add(patience); ; <-time.After(2 * time.Millisecond) {
		got := get()
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it says %q, and never %q", got, want)
		}
	}
}

func own(t *testing.T, h Harness) {
	d := join(t, h, "a", long)
	set(t, d, "y", "1")
	set(t, d, "x", "2")
	set(t, d, "y", "3")
	if got := says(d); got != "a/x=2 a/y=3" {
		t.Error(got)
	}
	set(t, d, "x", "")
	set(t, d, "never there", "")
	if got := says(d); got != "a/y=3" {
		t.Error(got)
	}
}

func limits(t *testing.T, h Harness) {
	d := join(t, h, "a", long)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx   context.Context
		key   string
		value int
		want  error
	}{
		{t.Context(), "", 1, todoke.CodeInvalidParameter},
		{t.Context(), strings.Repeat("k", todoke.MaxDirectoryKey+1), 1, todoke.CodeInvalidParameter},
		{t.Context(), "k", todoke.MaxDirectoryValue + 1, todoke.CodeTooLarge},
		{ended, "k", 1, context.Canceled},
	} {
		if err := d.Set(tt.ctx, tt.key, make([]byte, tt.value)); !errors.Is(err, tt.want) {
			t.Errorf("%.10q with %d bytes: %v, want %v", tt.key, tt.value, err, tt.want)
		}
	}
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = d.Set(t.Context(), fmt.Sprint(n), make([]byte, todoke.MaxDirectoryValue))
	}
	if !errors.Is(err, todoke.CodeTooLarge) || n != todoke.MaxDirectoryNode/todoke.MaxDirectoryValue {
		t.Errorf("after %d large values: %v", n, err)
	}
	if got := len(d.Entries()); got != n-1 {
		t.Errorf("there are %d entries", got)
	}
}

// A told is what a Watch told, by node and key; values that are gone are left out.
type told struct {
	mu     sync.Mutex
	values map[string]string
	gone   int
}

func follow(t *testing.T, d todoke.Directory) *told {
	t.Helper()
	w := &told{values: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Watch(ctx, func(e todoke.Entry) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(e.Value) == 0 {
				w.gone++
				delete(w.values, e.Node+"/"+e.Key)
				return
			}
			w.values[e.Node+"/"+e.Key] = string(e.Value)
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return w
}

func (w *told) is(t *testing.T, want map[string]string) {
	t.Helper()
	waitFor(t, func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		return fmt.Sprint(w.values)
	}, fmt.Sprint(want))
}

func watch(t *testing.T, h Harness) {
	d := join(t, h, "a", long)
	set(t, d, "x", "1")
	set(t, d, "y", "1")
	w := follow(t, d)
	w.is(t, map[string]string{"a/x": "1", "a/y": "1"})
	set(t, d, "x", "2")
	set(t, d, "y", "")
	w.is(t, map[string]string{"a/x": "2"})
	if w.gone != 1 {
		t.Errorf("told %d times that a value is gone", w.gone)
	}
}

func closed(t *testing.T, h Harness) {
	d := join(t, h, "a", long)
	ended := make(chan error, 1)
	go func() { ended <- d.Watch(t.Context(), func(todoke.Entry) {}) }()
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; !errors.Is(err, todoke.CodeClosed) {
		t.Errorf("a watch ends with %v", err)
	}
	if err := d.Set(t.Context(), "x", nil); !errors.Is(err, todoke.CodeClosed) {
		t.Errorf("Set: %v", err)
	}
	if err := d.Watch(t.Context(), func(todoke.Entry) {}); !errors.Is(err, todoke.CodeClosed) {
		t.Errorf("Watch: %v", err)
	}
}

func seeEachOther(t *testing.T, h Harness) {
	a, b := join(t, h, "a", long), join(t, h, "b", long)
	set(t, a, "k", "1")
	set(t, b, "k", "2")
	comes(t, a, "a/k=1 b/k=2")
	comes(t, b, "a/k=1 b/k=2")
	w := follow(t, b)
	set(t, a, "k", "3")
	set(t, a, "j", "4")
	comes(t, b, "a/j=4 a/k=3 b/k=2")
	set(t, a, "j", "")
	w.is(t, map[string]string{"a/k": "3", "b/k": "2"})
}

func late(t *testing.T, h Harness) {
	a := join(t, h, "a", short)
	for i := range 3 {
		set(t, a, fmt.Sprint(i), strings.Repeat("x", 1+i))
	}
	b := join(t, h, "b", short)
	comes(t, b, "a/0=x a/1=xx a/2=xxx")
}

func goes(t *testing.T, h Harness) {
	a, b := join(t, h, "a", long), join(t, h, "b", long)
	set(t, a, "k", "1")
	set(t, b, "k", "2")
	comes(t, b, "a/k=1 b/k=2")
	w := follow(t, b)
	a.Close()
	comes(t, b, "b/k=2")
	w.is(t, map[string]string{"b/k": "2"})
}

func cutOff(t *testing.T, h Harness) {
	a, b := join(t, h, "a", short), join(t, h, "b", short)
	set(t, a, "k", "1")
	set(t, b, "k", "2")
	comes(t, b, "a/k=1 b/k=2")
	cut := time.Now()
	h.Cut(t, a)
	comes(t, b, "b/k=2")
	if took := time.Since(cut); took < short/2 {
		t.Errorf("it was gone after %v, with a lease of %v", took, short)
	}
}

func again(t *testing.T, h Harness) {
	a, b := join(t, h, "a", short), join(t, h, "b", short)
	set(t, a, "old", "1")
	comes(t, b, "a/old=1")
	h.Cut(t, a)
	set(t, join(t, h, "a", short), "new", "2")
	comes(t, b, "a/new=2")
}

func many(t *testing.T, h Harness) {
	a, b := join(t, h, "a", short), join(t, h, "b", short)
	var setting sync.WaitGroup
	for _, d := range []todoke.Directory{a, b} {
		setting.Go(func() {
			for i := range 500 {
				if err := d.Set(t.Context(), fmt.Sprint(i%7), fmt.Append(nil, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	setting.Wait()
	var want []string
	for _, node := range []string{"a", "b"} {
		for key := range 7 {
			want = append(want, fmt.Sprintf("%s/%d=%d", node, key, 499-(499-key)%7))
		}
	}
	comes(t, a, strings.Join(want, " "))
	comes(t, b, strings.Join(want, " "))
}
