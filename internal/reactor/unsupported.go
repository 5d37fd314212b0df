//go:build !(linux && (amd64 || arm64 || riscv64 || loong64))

package reactor

import (
	"errors"
	"log/slog"
	"net"
	"time"
)

// ErrWouldBlock says that there is nothing to read at present.
var ErrWouldBlock = errors.New("nothing to read")

// A Handler is told what happens to a connection.
type Handler interface {
	Readable()
	Writable()
	Expired()
	Stopped()
}

// A Worker cannot be had here.
type Worker struct{}

// A Conn cannot be had here.
type Conn struct{}

// New fails: there is no reactor for this system, and connections are served by goroutines.
func New(func(most int) (visits int, more bool), *slog.Logger) (*Worker, error) {
	return nil, errors.ErrUnsupported
}

// Detach fails, and leaves conn as it was.
func Detach(net.Conn, time.Duration) (int, error) { return -1, errors.ErrUnsupported }

// What follows lets callers compile. There is no Worker to call it with.

func (*Worker) Stop()                         {}
func (*Worker) Connections() int              { return 0 }
func (*Worker) Do(func()) bool                { return false }
func (*Worker) Wake(int)                      {}
func (*Worker) Buffer() []byte                { return nil }
func (*Worker) Now() uint32                   { return 0 }
func (*Worker) Add(*Conn, int, Handler) error { return errors.ErrUnsupported }
func (*Conn) Open() bool                      { return false }
func (*Conn) Close()                          {}
func (*Conn) CloseWrite() error               { return errors.ErrUnsupported }
func (*Conn) Send([]byte) (int, error)        { return 0, errors.ErrUnsupported }
func (*Conn) Receive([]byte) (int, error)     { return 0, errors.ErrUnsupported }
func (*Conn) SetTimer(time.Duration)          {}
func (*Conn) StopTimer()                      {}

// Discard is for what Detach never returns here.
func Discard(int) {}

func (*Conn) Release() (int, error) { return -1, errors.ErrUnsupported }
