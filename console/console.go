// Package console is todoke's page for people: one channel, live over polling, long polling, SSE and WebSocket in four
// panes, with a publish box and a cut button for each.
//
// The page is built from TypeScript in src/ into dist/, which is committed and embedded, so the binary needs nothing
// beside it and a build of todoke needs no Node. It calls the server's own /v1/ of the same origin and nothing else;
// its content security policy says so.
package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed dist
var dist embed.FS

// files are the names the page consists of, with their content types. Everything else is not found.
var files = map[string]string{
	"index.html":  "text/html; charset=utf-8",
	"console.js":  "text/javascript; charset=utf-8",
	"console.css": "text/css; charset=utf-8",
	"favicon.svg": "image/svg+xml",
}

// policy allows the page its own script, style, icon and requests. 'self' covers WebSockets of the same origin
// (CSP Level 3, scheme-part matching: http stands for ws too). The script only ever sets text and attributes
// that are not styles, so nothing inline is needed.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// An asset is one file as it is sent.
type asset struct {
	contentType string
	etag        string
	body        string
}

// Handler serves the page at "/" and its files beside it; put it behind http.StripPrefix to have it elsewhere, at
// an address that ends in a slash. It answers GET and HEAD, other methods with 405, other paths with 404. Browsers may keep the
// files but have to revalidate them (ETag, 304), so a new binary shows its own page.
//
// It asks for no credentials: whoever mounts it decides who may see it. What the page then may do is /v1/'s decision.
func Handler() http.Handler {
	assets := make(map[string]asset, len(files))
	for name, contentType := range files {
		body, err := fs.ReadFile(dist, "dist/"+name)
		if err != nil {
			// The files are part of the binary; the package's test reads every one.
			panic("console: " + err.Error())
		}
		sum := sha256.Sum256(body)
		assets[name] = asset{contentType, `"` + hex.EncodeToString(sum[:12]) + `"`, string(body)}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		a, ok := assets[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		a.serve(w, r)
	})
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the console's files are read with GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", a.etag)
	// ServeContent answers If-None-Match, HEAD and ranges.
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(a.body))
}
