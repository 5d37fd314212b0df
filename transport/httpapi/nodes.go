package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/todoke-dev/todoke/transport/frame"
)

// nodes answers with the nodes on the log.
func (a *api) nodes(w http.ResponseWriter, r *http.Request) {
	self, nodes, err := a.hub.Gate().Nodes(r.Context())
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	text, err := json.Marshal(frame.NodesOf(self, nodes))
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text) // an error means that the client is gone
}
