//go:build !(linux && (amd64 || arm64 || riscv64 || loong64))

package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options of a Front, which cannot be had here.
type Options struct {
	Handler                  http.Handler
	Takes                    func(r *http.Request) bool
	Inline                   func(r *http.Request) bool
	Refuse                   func(accept func() error) bool
	Context                  context.Context
	HeadTimeout, IdleTimeout time.Duration
	Logger                   *slog.Logger
}

// A Front cannot be had here.
type Front struct{ net.Listener }

// Listen fails, and leaves l as it was: net/http answers everything.
func Listen(net.Listener, Options) (*Front, error) { return nil, errors.ErrUnsupported }

// What follows lets callers compile. There is no Front to call it with.

func (*Front) Shutdown(context.Context) error { return nil }
func (*Front) Stop()                          {}

func (*Front) Busy() int { return 0 }
