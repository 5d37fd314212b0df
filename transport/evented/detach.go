package evented

import (
	"context"
	"net"
	"net/http"
)

type connKey struct{}

// ConnContext is for http.Server.ConnContext: it lets Detachable see the connection. Without it no request is served by a pool.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if _, plain := conn.(*net.TCPConn); plain {
		return context.WithValue(ctx, connKey{}, struct{}{})
	}
	return ctx
}

// Detachable reports whether the connection of r can leave net/http: plain TCP, HTTP/1.1, below a server that has ConnContext.
func Detachable(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.TLS == nil && r.Context().Value(connKey{}) != nil
}
