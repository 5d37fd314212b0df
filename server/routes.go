package server

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/api"
	"github.com/todoke-dev/todoke/console"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/problem"
)

// routes is everything the server answers to.
func (s *Server) routes() (http.Handler, error) {
	v1 := httpapi.New(s.hub, httpapi.Options{AllowedOrigins: s.config.AllowOrigin, Pool: s.pool, Logger: s.log})
	mux := http.NewServeMux()
	mux.Handle("/healthz", read(s.health))
	mux.Handle("/readyz", read(s.readiness))
	mux.Handle("/openapi.yaml", read(openapi))
	if s.config.Dev {
		mux.Handle("/", console.Handler())
	} else {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, &todoke.Error{Code: todoke.CodeNotFound, Hint: "nothing lives at this address; /openapi.yaml has those that are"})
		})
	}
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			v1.ServeHTTP(w, r) // what there is most of; and the mux would redirect paths that it does not like
			return
		}
		mux.ServeHTTP(w, r)
	}))
	if s.config.Dev {
		guarded, err := devGuard(handler, s.config.AllowOrigin)
		if err != nil {
			return nil, err
		}
		handler = guarded
	}
	return deepen(s.inflight.handler(logRequests(handler, s.log))), nil
}

// read makes a handler of what is only read.
func read(get http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			problem.Write(w, r, &todoke.Error{Code: todoke.CodeMethodNotAllowed, Hint: "this address can only be read: use GET or HEAD"})
			return
		}
		get(w, r)
	})
}

// health says that the process lives.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") }

// readiness says whether new clients should come here: not any more when the server is stopping, and not while it has lost its log.
func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	if s.stopping.Load() {
		say(w, http.StatusServiceUnavailable, "stopping\n")
		return
	}
	if err := s.hub.Health(); err != nil {
		say(w, http.StatusServiceUnavailable, todoke.AsError(err).Hint+"\n")
		return
	}
	say(w, http.StatusOK, "ready\n")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // an error means that the client is gone
}

func openapi(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(api.OpenAPI))
}
