package httpapi

import (
	"net/http"
	"strings"

	"github.com/todoke-dev/todoke"
)

const (
	// exposed are the headers of answers that a page may read (Fetch §3.3.3), besides those that every page may.
	exposed = "Todoke-Position, Retry-After, ETag, Preference-Applied"
	// preflightSeconds is how long a browser may remember an answer to a preflight. Browsers cut it to 2 h or less.
	preflightSeconds = "7200"
	// headerPrefix begins the names that become headers of a message.
	headerPrefix = "todoke-header-"
)

// taken are the headers of requests, in lower case, that a page may set and that mean something here.
var taken = map[string]bool{
	"accept": true, "authorization": true, "cache-control": true, "content-type": true, "idempotency-key": true,
	"if-none-match": true, "last-event-id": true, "prefer": true, "todoke-event": true, "todoke-key": true, "todoke-ttl": true,
}

// origins are the web pages' origins that may use the API, besides the server's own.
type origins struct {
	named map[string]bool
	any   bool
	// crossSite refuses what a page of another origin makes its visitor's browser send.
	crossSite *http.CrossOriginProtection
}

func newOrigins(allowed []string) origins {
	o := origins{named: make(map[string]bool), crossSite: http.NewCrossOriginProtection()}
	for _, origin := range allowed {
		if origin == "*" {
			o.any = true
			continue
		}
		// An origin has no path (RFC 6454 §6.2), but people write the slash.
		o.named[strings.ToLower(strings.TrimSuffix(origin, "/"))] = true
	}
	return o
}

// setHeaders lets the page read the answer, also when it is a problem (Fetch §3.3). A credential is only for pages that are named.
func (o origins) setHeaders(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if len(o.named) > 0 {
		header.Add("Vary", "Origin") // for those without Origin too: a cache must not give them to a page
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return
	case o.named[origin]: // browsers write it in lower case
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
	case o.any:
		header.Set("Access-Control-Allow-Origin", "*")
	default:
		return
	}
	header.Set("Access-Control-Expose-Headers", exposed)
}

// preflight tells a browser what a page of an allowed origin may send (Fetch §3.3.2).
func (o origins) preflight(w http.ResponseWriter, r *http.Request, methods string) {
	header := w.Header()
	if r.Header.Get("Access-Control-Request-Method") == "" || header.Get("Access-Control-Allow-Origin") == "" {
		return
	}
	header.Del("Access-Control-Expose-Headers")
	header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", methods)
	header.Set("Access-Control-Max-Age", preflightSeconds)
	// Named one by one: "*" would not take in Authorization, and means nothing together with credentials.
	var names []string
	for _, value := range r.Header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if taken[name] || strings.HasPrefix(name, headerPrefix) && len(names) <= todoke.MaxHeaders+len(taken) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(names, ", "))
	}
}

// check refuses a request that changes something and comes from a page that may not use the API. CORS does not stop those: a
// browser sends a POST of text without asking first, and only keeps the answer from the page.
func (o origins) check(r *http.Request) error {
	err := o.crossSite.Check(r)
	if err == nil || o.named[r.Header.Get("Origin")] {
		return nil
	}
	if o.any && r.Header.Get("Cookie") == "" {
		return nil // "*" is without credentials, here as in CORS
	}
	return &todoke.Error{
		Code: todoke.CodeForbidden, Field: "Origin", Err: err,
		Hint: "pages of this origin may not publish here; the server's allowed origins can name it",
	}
}
