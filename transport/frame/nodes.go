package frame

import (
	"time"

	"github.com/todoke-dev/todoke"
)

// A Node is a node object.
type Node struct {
	ID       string    `json:"id"`
	Address  string    `json:"address,omitempty"`
	Version  string    `json:"version,omitempty"`
	Started  time.Time `json:"started"`
	Readers  int       `json:"readers"`
	Draining bool      `json:"draining"`
}

// Nodes is the answer of GET /v1/nodes.
type Nodes struct {
	Node  string `json:"node"` // which one answers
	Nodes []Node `json:"nodes"`
}

// NodesOf makes the answer of the node self.
func NodesOf(self string, nodes []todoke.Node) Nodes {
	answer := Nodes{Node: self, Nodes: make([]Node, len(nodes))}
	for i, n := range nodes {
		answer.Nodes[i] = Node(n)
	}
	return answer
}

// Decode gives the core's nodes.
func (n Nodes) Decode() []todoke.Node {
	nodes := make([]todoke.Node, len(n.Nodes))
	for i, node := range n.Nodes {
		nodes[i] = todoke.Node(node)
	}
	return nodes
}
