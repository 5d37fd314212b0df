package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

const (
	// mutexFraction is which share of lock contentions is recorded, and blockRate how long one waits for one to be recorded.
	mutexFraction = 100
	blockRate     = 100 * time.Microsecond
)

// newAdmin makes the server of the admin port, or nil where there is none. It is a port of its own so that no rule of a proxy lets the
// world in.
func (s *Server) newAdmin() *http.Server {
	if s.config.AdminListen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &http.Server{Handler: loopbackOnly(mux), ReadHeaderTimeout: readHeaderTimeout}
}

// loopbackOnly keeps web pages out that reach this machine by DNS rebinding: they come with a name of their own.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(hostOf(r.Host)) {
			refuse(w, r, "Host", "the admin port answers only to localhost, 127.0.0.1 and [::1]")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// listenAdmin opens the admin port and serves it until closeAdmin.
func (s *Server) listenAdmin() error {
	if s.admin == nil {
		return nil
	}
	listener, err := net.Listen("tcp", s.config.AdminListen)
	if err != nil {
		return fmt.Errorf("admin_listen: %w", explain(s.config.AdminListen, err))
	}
	// Who opens the port wants to know; both cost little at these rates.
	runtime.SetMutexProfileFraction(mutexFraction)
	runtime.SetBlockProfileRate(int(blockRate))
	s.log.Info("listening", "admin", "http://"+listener.Addr().String()+"/debug/pprof/")
	go func() { _ = s.admin.Serve(listener) }() // ends with closeAdmin
	return nil
}

func (s *Server) closeAdmin(context.Context) error {
	if s.admin == nil {
		return nil
	}
	return s.admin.Close()
}
