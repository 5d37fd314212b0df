package console

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	tests := []struct {
		name, method, path string
		status             int
		contentType        string
		body               string // what it contains
	}{
		{"the page is at the root", "GET", "/", 200, "text/html; charset=utf-8", "<title>todoke"},
		{"the page has a name too", "GET", "/index.html", 200, "text/html; charset=utf-8", "<title>todoke"},
		{"script", "GET", "/console.js", 200, "text/javascript; charset=utf-8", "EventSource"},
		{"style", "GET", "/console.css", 200, "text/css; charset=utf-8", "prefers-color-scheme"},
		{"icon", "GET", "/favicon.svg", 200, "image/svg+xml", "<svg"},
		{"HEAD has no body", "HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"unknown path", "GET", "/nothing", 404, "text/plain; charset=utf-8", "not found"},
		{"the hash of the source is not served", "GET", "/SOURCE.sha256", 404, "text/plain; charset=utf-8", ""},
		{"no way up", "GET", "/../console.go", 404, "text/plain; charset=utf-8", ""},
		{"wrong method", "POST", "/", 405, "text/plain; charset=utf-8", "GET or HEAD"},
	}
	handler := Handler()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.contentType {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Header().Get("Content-Type"), tt.status, tt.contentType)
			}
			if !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("the body lacks %q", tt.body)
			}
			if tt.method == "HEAD" && w.Body.Len() > 0 {
				t.Errorf("HEAD got %d bytes", w.Body.Len())
			}
			if tt.status == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow is %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestHandlerRevalidates(t *testing.T) {
	handler := Handler()
	first := httptest.NewRecorder()
	handler.ServeHTTP(first, httptest.NewRequest("GET", "/console.js", nil))
	if got := first.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control is %q", got)
	}
	again := httptest.NewRequest("GET", "/console.js", nil)
	again.Header.Set("If-None-Match", first.Header().Get("ETag"))
	second := httptest.NewRecorder()
	handler.ServeHTTP(second, again)
	if second.Code != http.StatusNotModified || second.Body.Len() > 0 {
		t.Errorf("got %d with %d bytes, want 304 without a body", second.Code, second.Body.Len())
	}
}

func TestHandlerUnderAPrefix(t *testing.T) {
	w := httptest.NewRecorder()
	http.StripPrefix("/console", Handler()).ServeHTTP(w, httptest.NewRequest("GET", "/console/console.css", nil))
	if w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}

// The policy forbids what is inline or elsewhere, so a page that had it would be broken in the browser only.
func TestPageNeedsNothingThePolicyForbids(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	page := w.Body.String()
	for what, pattern := range map[string]string{
		"inline script":      `<script(?:\s[^>]*)?>\s*[^<\s]`,
		"inline style":       `<style|\sstyle=`,
		"an event attribute": `\son[a-z]+=`,
		"another origin":     `(?:src|href)="(?:https?:)?//`,
	} {
		if found := regexp.MustCompile(pattern).FindString(page); found != "" {
			t.Errorf("the page has %s: %s", what, found)
		}
	}
	for _, ref := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1) {
		if _, ok := files[ref[1]]; !ok {
			t.Errorf("the page refers to %s, which is not served", ref[1])
		}
	}
}

// The same hash as build.mjs writes, so that a change of src without a build is noticed on machines without Node.
func TestDistIsBuiltFromSource(t *testing.T) {
	names, err := filepath.Glob("src/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	sum := sha256.New()
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		one := sha256.Sum256(content)
		sum.Write([]byte(filepath.Base(name) + " " + hex.EncodeToString(one[:]) + "\n"))
	}
	recorded, err := os.ReadFile("dist/SOURCE.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(recorded)) {
		t.Error("console/src changed after console/dist was built: cd console && npm ci && npm run build")
	}
}
