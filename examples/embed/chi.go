package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/sse"
)

func chiRouter(hub *todoke.Hub) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.RequestID, middleware.Recoverer)
	router.Handle("/v1/*", httpapi.New(hub, httpapi.Options{}))
	router.Get("/news", func(w http.ResponseWriter, r *http.Request) { sse.Serve(w, r, hub, "news") })
	router.Post("/tell", func(w http.ResponseWriter, r *http.Request) { tell(hub, w, r) })
	return router
}
