package todoke

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
)

// A Node is one hub of those that share a log, as it tells the others. What it tells is a few seconds old at most.
type Node struct {
	// ID is another for each run of a node.
	ID string `json:"-"`
	// Address is where clients reach it, a URL; "": it does not say.
	Address string `json:"address,omitempty"`
	// Version is that of the program.
	Version string `json:"version,omitempty"`
	// Started is when the hub was made, by its own clock.
	Started time.Time `json:"started"`
	// Readers is how many subscriptions it has.
	Readers int `json:"readers"`
	// Draining: it is stopping, and sends its readers elsewhere.
	Draining bool `json:"draining,omitempty"`
}

// nodeKey is under which a node tells of itself in the Directory.
const nodeKey = "node"

// joinDirectory finds the other nodes on the log, where the engine has a way to them.
func (h *Hub) joinDirectory(version string) (err error) {
	h.self = Node{ID: strings.ToLower(rand.Text()[:10]), Version: version, Started: time.Now().UTC().Truncate(time.Millisecond)}
	h.directory = NewBoard(h.self.ID)
	if maker, ok := h.engine.(DirectoryMaker); ok {
		if h.directory, err = maker.NewDirectory(h.self.ID, 0); err != nil {
			return err
		}
	}
	return h.announce(func(*Node) {})
}

// NodeID is this node's name among those on the log: another for each run.
func (h *Hub) NodeID() string { return h.self.ID }

// Announce tells the other nodes where clients reach this one.
func (h *Hub) Announce(address string) error {
	return h.announce(func(n *Node) { n.Address = address })
}

// announce tells the others of this node, if that has changed.
func (h *Hub) announce(change func(*Node)) error {
	h.selfMu.Lock()
	defer h.selfMu.Unlock()
	change(&h.self)
	h.mu.Lock()
	h.self.Readers = len(h.subs)
	h.mu.Unlock()
	h.self.Draining = h.drain.Load() != nil
	if h.self == h.told {
		return nil
	}
	text, err := json.Marshal(h.self)
	if err != nil {
		return err
	}
	if err := h.directory.Set(context.Background(), nodeKey, text); err != nil {
		return err
	}
	h.told = h.self
	return nil
}

// Nodes returns the nodes on the log that this one knows of, itself among them, by ID. See Directory for what a partition does to it.
func (h *Hub) Nodes() (nodes []Node) {
	for _, e := range h.directory.Entries() {
		n := Node{ID: e.Node}
		if e.Key != nodeKey || json.Unmarshal(e.Value, &n) != nil {
			continue // a later version's
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// Directory is what the nodes on the log tell each other beside it. The hub closes it. Its own key there is "node".
func (h *Hub) Directory() Directory { return h.directory }
