//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"errors"
	"os"
	"time"

	"github.com/todoke-dev/todoke/internal/reactor"
)

const (
	// sendTimeout is how long a client may take nothing, where the handler has set no deadline.
	sendTimeout = 30 * time.Second
	// watchAfter is how long a handler may run before somebody looks whether the client is still there. On a connection's first request
	// nobody does until then, for streams that leave at once would pay for it.
	watchAfter = 500 * time.Millisecond
)

// send writes out, waiting for room where there is none.
func (w *response) send() error {
	if w.failed == nil && !w.deadline.IsZero() && !time.Now().Before(w.deadline) {
		w.failed = os.ErrDeadlineExceeded
	}
	p := w.out
	for w.failed == nil {
		n, err := reactor.Send(w.c.fd, p)
		if err != nil {
			w.failed = err
			break
		}
		if p = p[n:]; len(p) == 0 {
			break
		}
		w.failed = w.waitForRoom()
	}
	w.out = w.out[:0]
	return w.failed
}

var errFull = errors.New("the client takes no answers")

// waitForRoom does not look at the request's context: that ends when the client has said its last word, which may still listen.
func (w *response) waitForRoom() error {
	c := w.c
	if w.inline {
		return errFull
	}
	if c.room.Load() == nil {
		room := make(chan struct{}, 1)
		c.room.Store(&room)
		return w.watch() // and look again: room may have come before anybody waited for it
	}
	if c.f.stopped.Load() {
		return errStopped
	}
	wait := sendTimeout
	if !w.deadline.IsZero() {
		wait = time.Until(w.deadline)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-*c.room.Load():
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// watch has the reactor tell of the connection while the handler runs.
func (w *response) watch() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.c
	if w.over.Load() || w.hijacked || c.watched || c.fd < 0 {
		return nil
	}
	failed := make(chan error, 1)
	if !c.worker.Do(func() { failed <- c.worker.Add(&c.Conn, c.fd, c) }) {
		return errStopped
	}
	if err := <-failed; err != nil {
		c.fd = -1 // it is closed
		return err
	}
	c.watched = true
	return nil
}

// watchLate is for a handler that runs long.
func (w *response) watchLate() { _ = w.watch() }
