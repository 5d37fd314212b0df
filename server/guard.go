package server

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/problem"
)

// devGuard keeps web pages away from a server that asks nobody for credentials, the ones of allowed origins excepted.
//
// A page of another site can reach loopback in two ways. By DNS rebinding its own name comes to mean 127.0.0.1, and
// the browser takes the server for the page's own: then the Host header has the page's name. And it can send a POST
// blindly across origins, without being allowed to read the answer: then Sec-Fetch-Site or Origin tell.
func devGuard(next http.Handler, origins []string) (http.Handler, error) {
	writes := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if origin == "*" {
			continue
		}
		if err := writes.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allow_origin: %w", err)
		}
	}
	anyOrigin := slices.Contains(origins, "*")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(hostOf(r.Host)) {
			refuse(w, r, "Host", "in development mode the server answers only to localhost, 127.0.0.1 and [::1]")
			return
		}
		if !anyOrigin && writes.Check(r) != nil {
			refuse(w, r, "Origin", "in development mode pages of other origins may not write; start with --allow-origin and this page's origin")
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// hostOf returns the host of a Host header (RFC 9110 §7.2), without port and brackets.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
}

func refuse(w http.ResponseWriter, r *http.Request, field, hint string) {
	problem.Write(w, r, &todoke.Error{Code: todoke.CodeForbidden, Field: field, Hint: hint})
}
