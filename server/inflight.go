package server

import (
	"context"
	"net/http"
	"sync"
)

// inflight counts the handlers that run. http.Server.Shutdown forgets connections that were hijacked, and WebSockets are; but
// their handlers run as long as they do.
type inflight struct {
	mu    sync.Mutex
	count int
	empty chan struct{} // closed when count comes to 0; nil: nobody waits
}

func (f *inflight) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.add(1)
		defer f.add(-1)
		next.ServeHTTP(w, r)
	})
}

func (f *inflight) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count += n
	if f.count == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

// wait returns when no handler runs, or with ctx's error.
func (f *inflight) wait(ctx context.Context) error {
	f.mu.Lock()
	if f.count == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// running is how many handlers run.
func (f *inflight) running() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}
