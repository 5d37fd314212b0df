package main

import (
	"net/http"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/sse"
)

func netHTTP(hub *todoke.Hub) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", httpapi.New(hub, httpapi.Options{}))
	mux.HandleFunc("GET /news", func(w http.ResponseWriter, r *http.Request) { sse.Serve(w, r, hub, "news") })
	mux.HandleFunc("POST /tell", func(w http.ResponseWriter, r *http.Request) { tell(hub, w, r) })
	return mux
}
