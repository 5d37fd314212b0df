package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

const maxNodesBytes = 4 << 20

// Nodes returns the nodes on the server's log, and the ID of the one that answered. It repeats itself like Publish.
func (c *Client) Nodes(ctx context.Context) (self string, nodes []todoke.Node, err error) {
	a, err := c.repeat(ctx, call{method: http.MethodGet, path: "/v1/nodes", limit: maxNodesBytes})
	if err != nil {
		return "", nil, err
	}
	var answer frame.Nodes
	if err := json.Unmarshal(a.body, &answer); err != nil || answer.Node == "" {
		return "", nil, unexpected("list of nodes", err)
	}
	return answer.Node, answer.Decode(), nil
}
