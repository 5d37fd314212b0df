package evented

import (
	"context"
	"net"
	"net/http"
)

type connKey struct{}

// ConnContext is for http.Server.ConnContext: it lets Detachable see the connection. Without it no request is served by a pool.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	switch conn.(type) {
	case *net.TCPConn, interface{ Plain() net.Conn }:
		return WithDetachable(ctx)
	}
	return ctx
}

// WithDetachable marks the context of requests whose connection is plain TCP, for a server that is not net/http's.
func WithDetachable(ctx context.Context) context.Context {
	return context.WithValue(ctx, connKey{}, struct{}{})
}

// Detachable reports whether the connection of r can leave net/http: plain TCP, HTTP/1.1, below a server that has ConnContext.
func Detachable(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.TLS == nil && r.Context().Value(connKey{}) != nil
}
