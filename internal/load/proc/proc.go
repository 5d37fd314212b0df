// Package proc tells what a server's processes have used, seen from outside: processor time and resident memory, from /proc
// (proc(5)). It asks the server nothing, so it costs the server nothing and is the same for every server.
package proc

import (
	"errors"
	"time"
)

// ErrUnsupported means that this system has no /proc to read.
var ErrUnsupported = errors.New("processor time and memory of a server are read from /proc, which only Linux has")

// ErrNotFound means that no process was seen to listen on the port.
var ErrNotFound = errors.New("no process of yours listens there; say which one with --pid")

// A Usage is what processes have used since they began, and hold now.
type Usage struct {
	User, System time.Duration
	RSS          int64 // resident bytes
	Anon         int64 // of these, memory that is not a file's
}

// CPU is the processor time together.
func (u Usage) CPU() time.Duration { return u.User + u.System }
