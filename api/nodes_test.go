package api_test

import (
	"reflect"
	"testing"

	"github.com/todoke-dev/todoke/transport/frame"
)

type nodesVector struct {
	Name string `json:"name"`
	frame.Nodes
	Wire string `json:"wire"`
}

func loadNodes(t *testing.T) []nodesVector {
	t.Helper()
	return *golden[[]nodesVector](t, "nodes.json")
}

func TestNodes(t *testing.T) {
	vectors := loadNodes(t)
	for i := range vectors {
		v := &vectors[i]
		answer := frame.NodesOf(v.Node, v.Nodes.Decode())
		same(t, v.Name, toJSON(t, answer), &v.Wire)
		var back frame.Nodes
		unmarshal(t, v.Wire, &back)
		if !reflect.DeepEqual(back, v.Nodes) {
			t.Errorf("%s comes back as %+v", v.Name, back)
		}
	}
}
