package server

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A reserve is one file that is kept so that a connection can be refused where the process may open no more. net/http would wait and try
// again, and clients with it: connected, as they believe, and never answered. Here they are refused at once, and the log says why.
type reserve struct {
	log *slog.Logger

	mu      sync.Mutex
	file    *os.File
	refused int // since the log was told
	told    time.Time
}

// tellEvery is how often the log is told at the most.
const tellEvery = 10 * time.Second

func newReserve(log *slog.Logger) *reserve {
	r := &reserve{log: log}
	r.take()
	return r
}

// take opens the file that is kept.
func (r *reserve) take() bool {
	file, err := os.Open(os.DevNull)
	if r.file = file; err != nil {
		r.file = nil
	}
	return err == nil
}

// errNobody says that no connection waits to be refused.
var errNobody = errors.New("no connection waits")

// refuse has accept take the connection that waits, in the reserve's place, and close it; accept does not wait long for one. It reports whether
// it could.
func (r *reserve) refuse(accept func() error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil && !r.take() {
		return false // another file was opened in its place
	}
	r.file.Close()
	err := accept()
	r.take()
	switch {
	case errors.Is(err, errNobody), errors.Is(err, syscall.EAGAIN):
		return true // the client has gone, or there is none yet
	case err != nil:
		return false
	}
	r.refused++
	if now := time.Now(); now.Sub(r.told) >= tellEvery {
		r.log.Error("connections are refused: this process may open no more files; raise the limit (ulimit -n, LimitNOFILE=)",
			"refused", r.refused, "limit", openFilesLimit())
		r.refused, r.told = 0, now
	}
	return true
}

func (r *reserve) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// A limited is a listener that refuses what is beyond the limit.
type limited struct {
	net.Listener
	reserve *reserve
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return conn, err
		}
		var late net.Conn
		if !l.reserve.refuse(func() error { return l.refuseOne(&late) }) {
			return nil, err
		}
		if late != nil {
			return late, nil
		}
	}
}

// refusalWait is how long a refusal waits for a connection. Linux says that the limit is reached before it looks whether one is there; and
// in the reserve's place nobody else's file shall be opened.
const refusalWait = 20 * time.Millisecond

// refuseOne stores the connection in late if there is room for it after all.
func (l *limited) refuseOne(late *net.Conn) error {
	if timed, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = timed.SetDeadline(time.Now().Add(refusalWait))
		defer func() { _ = timed.SetDeadline(time.Time{}) }()
	}
	conn, err := l.Listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errNobody
	}
	if err != nil {
		return err
	}
	if file, err := os.Open(os.DevNull); err == nil {
		file.Close()
		*late = conn
		return errNobody
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset: the client sees at once that it is not let in
	}
	return conn.Close()
}
