package evented_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

// An engine that takes time is read on goroutines; meanwhile the worker serves others, and nothing is lost or comes twice.
func TestChase(t *testing.T) {
	engine := newGated()
	defer engine.open()
	hub := newHub(t, todoke.Options{Engine: engine})
	pool := newPool(t, hub, evented.Options{Workers: 1})
	start := publish(t, hub, "a", "0")
	var want []string
	for i := 1; i < 50; i++ {
		publish(t, hub, "a", fmt.Sprint(i))
		want = append(want, fmt.Sprint(i))
	}
	_, behind := attach(t, hub, pool, todoke.After(start), "a", "**")
	_, live := attach(t, hub, pool, todoke.Now(), "b")
	await(t, "a read of the engine", func() bool { return engine.waiting.Load() > 0 })
	publish(t, hub, "b", "meanwhile")
	if got := readLines(t, live, 1); got[0] != "meanwhile" {
		t.Error(got)
	}
	for i := 50; i < 60; i++ {
		publish(t, hub, "a", fmt.Sprint(i))
	}
	engine.open()
	want = append(want, "meanwhile")
	for i := 50; i < 60; i++ {
		want = append(want, fmt.Sprint(i))
	}
	if got := readLines(t, behind, len(want)); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A link that is closed while the engine is asked for it gives the question up, and its subscription is closed.
func TestChaseOfClosedLinks(t *testing.T) {
	engine := newGated()
	defer engine.open()
	hub := newHub(t, todoke.Options{Engine: engine})
	pool := newPool(t, hub, evented.Options{Workers: 1})
	start := publish(t, hub, "a", "0")
	publish(t, hub, "a", "1")
	const links = 100 // more than may ask at the same time
	var wires []*wire
	for range links {
		w, peer := attach(t, hub, pool, todoke.After(start), "a")
		wires = append(wires, w)
		defer peer.Close()
	}
	await(t, "reads of the engine", func() bool { return engine.waiting.Load() == 64 })
	for _, w := range wires {
		w.Do(func() { w.Cut(errors.New("cut")) })
	}
	await(t, "the reads to be given up, though the engine does not answer", func() bool { return engine.waiting.Load() == 0 })
	witness, err := hub.Subscribe(t.Context(), []string{"a"}, todoke.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer witness.Close()
	await(t, "the subscriptions to be closed", func() bool { return witness.Audience() == 0 })
	if n := pool.Links(); n != 0 {
		t.Errorf("%d links are left", n)
	}
}

// A pool that is closed while engines are asked cuts its links without a word, and waits for nobody.
func TestCloseWhileChasing(t *testing.T) {
	for range 10 {
		engine := newGated()
		hub := newHub(t, todoke.Options{Engine: engine})
		pool := newPool(t, hub, evented.Options{Workers: 2})
		start := publish(t, hub, "a", "0")
		publish(t, hub, "a", "1")
		var wires []*wire
		var peers []io.Reader
		for range 20 {
			w, peer := attach(t, hub, pool, todoke.After(start), "a")
			wires = append(wires, w)
			peers = append(peers, peer)
		}
		await(t, "reads of the engine", func() bool { return engine.waiting.Load() == 20 })
		pool.Close()
		for i, w := range wires {
			if err := w.reason(t); !errors.Is(err, evented.ErrPoolClosed) {
				t.Error(err)
			}
			if got, _ := io.ReadAll(peers[i]); len(got) > 0 {
				t.Fatalf("a peer was told %q", got)
			}
		}
		engine.open()
	}
}
