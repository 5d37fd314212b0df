package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/todoke-dev/todoke/internal/front"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/request"
)

// inFront puts the lean face before net/http, where links are evented and the system has it.
func (s *Server) inFront(l net.Listener) (net.Listener, error) {
	plain := &limited{Listener: l, reserve: s.reserve}
	if s.pool == nil {
		return plain, nil
	}
	f, err := front.Listen(l, front.Options{
		Handler: s.http.Handler, Takes: hot, Inline: s.inline(), Refuse: s.reserve.refuse, Context: evented.WithDetachable(s.base),
		HeadTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, Logger: s.log,
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return plain, nil
	}
	if err != nil {
		return nil, err
	}
	s.fronts = append(s.fronts, f)
	return f, nil
}

// hot takes what there is most of: publishes, and streams that are opened.
func hot(r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		return false
	}
	if r.Method == http.MethodPost {
		return true
	}
	if _, upgrades := r.Header["Upgrade"]; upgrades {
		return true
	}
	accept := r.Header["Accept"]
	return len(accept) == 1 && accept[0] == request.EventStream
}

// inline takes publishes where nothing waits: the log is in memory, and permission is not asked elsewhere.
func (s *Server) inline() func(r *http.Request) bool {
	if !s.config.Dev || s.config.Engine != engineMemory {
		return nil
	}
	return func(r *http.Request) bool { return r.Method == http.MethodPost }
}

// finishFronts waits for the answers under way.
func (s *Server) finishFronts(ctx context.Context) error {
	var failed error
	for _, f := range s.fronts {
		failed = errors.Join(failed, f.Shutdown(ctx))
	}
	return failed
}

// underWay is how many requests are being answered, or have come in part.
func (s *Server) underWay() int {
	n := s.inflight.running()
	for _, f := range s.fronts {
		n = max(n, f.Busy()) // handlers are counted in both
	}
	return n
}

func (s *Server) stopFronts() {
	for _, f := range s.fronts {
		f.Stop()
	}
}
