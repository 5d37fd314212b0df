package nats_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// Three engines with embedded servers are one system that goes on without any one of them.
func TestEmbeddedCluster(t *testing.T) {
	ports := freePorts(t, 3)
	options := make([]nats.Options, 3)
	for i := range options {
		options[i] = nats.Options{Dir: t.TempDir(), Logger: quiet(), Cluster: nats.Cluster{Name: fmt.Sprint("n", i), Listen: address(ports[i]), Secret: "s3cret"}}
		for _, port := range ports {
			options[i].Cluster.Peers = append(options[i].Cluster.Peers, address(port))
		}
	}
	nodes := make([]*nats.Engine, 3)
	var starting sync.WaitGroup
	for i := range nodes {
		nodes[i] = nats.New(options[i])
		t.Cleanup(func() { shut(t, nodes[i]) })
		starting.Go(func() {
			if err := nodes[i].Open(within(t), keep); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	if caps := nodes[0].Caps(); caps != (todoke.Caps{Process: true, Machine: true, Node: true, Fenced: true}) {
		t.Errorf("%+v", caps)
	}
	d := tail(t, nodes[1], todoke.Position{})
	want := []string{"epoch"}
	send := func(n int) {
		for range n {
			name := fmt.Sprint(len(want))
			until(t, nodes[len(want)%2], todoke.Message{Channel: "a", Data: []byte(name), IdempotencyKey: name, Type: todoke.TypeText})
			want = append(want, name)
		}
	}
	send(30)
	began := time.Now()
	shut(t, nodes[2])
	send(30)
	t.Logf("30 messages took %v, with a node stopped before", time.Since(began).Round(time.Millisecond))
	nodes[2] = nats.New(options[2])
	if err := nodes[2].Open(within(t), keep); err != nil {
		t.Fatal(err)
	}
	send(10)
	eventually(t, "another node has all", func() bool { return d.has(want[len(want)-1]) })
	if got := d.all(); !slices.Equal(got, want) {
		t.Errorf("another node got %q", got)
	}
	if got, _ := texts(t, nodes[2], "a", 0); !slices.Equal(got, want[1:]) {
		t.Errorf("the one that came back reads %q", got)
	}
	if head(t, nodes[0]) != head(t, nodes[2]) {
		t.Errorf("heads are %v and %v", head(t, nodes[0]), head(t, nodes[2]))
	}
	wrong := options[2]
	wrong.Cluster.Name = "n7"
	refuses(t, wrong, "another process uses it")
}
