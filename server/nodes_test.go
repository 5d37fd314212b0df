//go:build unix

package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/internal/storetest"
)

// Nodes on one log list each other, with their addresses; one that stops is gone.
func TestNodesListEachOther(t *testing.T) {
	for name, store := range map[string]func(testing.TB) *storetest.Store{
		"redis": func(t testing.TB) *storetest.Store { return storetest.Redis(t) }, "nats": storetest.NATS,
	} {
		t.Run(name, func(t *testing.T) {
			url := store(t).URL
			on := func(c *Config) { c.Engine = url }
			one, _ := start(t, on)
			two, stop := start(t, on)
			sub, err := two.Hub().Subscribe(t.Context(), []string{"a"}, todoke.Now())
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			c, err := client.New(one.URL(), client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			list := func() map[string]todoke.Node {
				self, nodes, err := c.Nodes(t.Context())
				if err != nil || self != one.Hub().NodeID() {
					t.Fatalf("%q answers, %v", self, err)
				}
				byAddress := map[string]todoke.Node{}
				for _, n := range nodes {
					byAddress[n.Address] = n
				}
				return byAddress
			}
			waitFor(t, func() bool {
				l := list()
				other := l[two.URL()]
				return len(l) == 2 && l[one.URL()].ID == one.Hub().NodeID() && other.ID == two.Hub().NodeID() && other.Readers == 1 && !other.Started.IsZero()
			})
			sub.Close()
			if err := stop(); err != nil {
				t.Error(err)
			}
			waitFor(t, func() bool { return len(list()) == 1 })
		})
	}
}

func TestNodesOfASingleServer(t *testing.T) {
	s, _ := start(t, nil)
	status, body := get(t, s.URL()+"/v1/nodes", nil)
	if status != http.StatusOK || !strings.Contains(body, `"node":"`+s.Hub().NodeID()+`"`) || !strings.Contains(body, s.URL()) {
		t.Errorf("%d %s", status, body)
	}
}
