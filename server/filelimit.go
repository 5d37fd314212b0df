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

// A limited is a listener that goes on where the process may open no more files. net/http would wait and try again, and clients
// with it: connected, as they believe, and never answered. Here they are refused at once, and the log says why. One file
// is kept in reserve for that.
type limited struct {
	net.Listener
	log *slog.Logger

	mu      sync.Mutex
	reserve *os.File
	refused int // since the log was told
	told    time.Time
}

// tellEvery is how often the log is told at the most.
const tellEvery = 10 * time.Second

func refuseBeyondLimit(l net.Listener, log *slog.Logger) net.Listener {
	limited := &limited{Listener: l, log: log}
	limited.reserve, _ = os.Open(os.DevNull)
	return limited
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return conn, err
		}
		if !l.refuse() {
			return nil, err
		}
	}
}

// refuse takes the connection that waits, in the reserve's place, and closes it. It reports whether it could.
func (l *limited) refuse() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil {
		return false
	}
	l.reserve.Close()
	conn, err := l.Listener.Accept()
	if err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset: the client sees at once that it is not let in
		}
		conn.Close()
		l.refused++
	}
	l.reserve, _ = os.Open(os.DevNull)
	if now := time.Now(); l.refused > 0 && now.Sub(l.told) >= tellEvery {
		l.log.Error("connections are refused: this process may open no more files; raise the limit (ulimit -n, LimitNOFILE=)",
			"refused", l.refused, "limit", openFilesLimit())
		l.refused, l.told = 0, now
	}
	return err == nil
}

// Close implements net.Listener.
func (l *limited) Close() error {
	err := l.Listener.Close() // first: refuse may wait in Accept, with the lock
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve != nil {
		l.reserve.Close()
		l.reserve = nil
	}
	return err
}
