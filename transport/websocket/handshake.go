package websocket

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
)

// checkHandshake reports what stands against the upgrade, as an *Error. The library checks all of this too, but it
// answers in plain text; after this check it has nothing left to refuse.
func (h *Handler) checkHandshake(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return &todoke.Error{Code: todoke.CodeMethodNotAllowed, Hint: "a WebSocket is opened with GET"}
	}
	if !r.ProtoAtLeast(1, 1) || r.ProtoMajor > 1 || !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket") {
		if r.ProtoMajor == 1 { // RFC 9113 §8.2.2: HTTP/2 has no such headers
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
		}
		return badHandshake("Upgrade", "this address speaks WebSocket over HTTP/1.1: open it with a WebSocket client")
	}
	if r.Header.Get("Sec-WebSocket-Version") != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455 §4.4
		return badHandshake("Sec-WebSocket-Version", "only version 13 is spoken here")
	}
	// RFC 6455 §4.2.1: the key is base64 of 16 bytes.
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return badHandshake("Sec-WebSocket-Key", "send the header once")
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err != nil || len(key) != 16 {
		return badHandshake("Sec-WebSocket-Key", "it is not base64 of 16 bytes")
	}
	if !canHijack(w) {
		return fmt.Errorf("the ResponseWriter %T cannot be hijacked; a middleware in front hides http.Hijacker", w)
	}
	return h.checkOrigin(r)
}

func badHandshake(header, hint string) error {
	return &todoke.Error{Code: todoke.CodeInvalidParameter, Field: header, Hint: hint}
}

// checkOrigin refuses pages of origins that are neither the server's own nor allowed (RFC 6455 §10.2): a browser opens
// WebSockets across origins with the visitor's cookies and asks nobody. Only the host is compared with our
// own, since behind a proxy we do not know our scheme.
func (h *Handler) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(h.o.AllowedOrigins, "*") {
		return nil
	}
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" {
		if strings.EqualFold(u.Host, r.Host) {
			return nil
		}
		for _, allowed := range h.o.AllowedOrigins {
			if strings.EqualFold(allowed, u.Host) || strings.EqualFold(allowed, u.Scheme+"://"+u.Host) {
				return nil
			}
		}
	}
	return &todoke.Error{Code: todoke.CodeForbidden, Field: "Origin", Hint: "pages of this origin may not connect; the server's allowed origins decide"}
}

func hasToken(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for t := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// canHijack looks for an http.Hijacker as http.ResponseController does.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// accept upgrades a request that passed checkHandshake. On an error there is no connection left to answer on.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request) (*link, error) {
	u := &upgrade{ResponseWriter: w, o: h.o}
	ws, err := coder.Accept(u, r, &coder.AcceptOptions{
		InsecureSkipVerify: true, // checkOrigin has verified it
		CompressionMode:    coder.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(h.o.ReadLimit)
	return newLink(ws, u.wire), nil
}

// An upgrade is the ResponseWriter that is given to the library: the connection that it hijacks is a wire, which gives us
// what the library does not have: time-outs of single writes, and several frames in one write.
type upgrade struct {
	http.ResponseWriter
	o    Options
	wire *wire
}

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if rw == nil || rw.Reader == nil || rw.Writer == nil {
		return nil, nil, errNoBuffers
	}
	u.wire = newWire(conn, u.o.WriteTimeout)
	rw.Writer.Reset(u.wire)
	return u.wire, rw, nil
}

// WriteHeaderNow is for gin, whose WriteHeader keeps the status until this is called; the library calls it where it is.
func (u *upgrade) WriteHeaderNow() {
	if gin, ok := u.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		gin.WriteHeaderNow()
	}
}

var _ http.Hijacker = (*upgrade)(nil)
