package request

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
)

// The representations that reading over HTTP has.
const (
	JSON        = "application/json"
	EventStream = "text/event-stream"
)

// Accept returns the offer (a media type in lower case) that r's Accept header wants most (RFC 9110 §12.5.1): the
// greatest q; among equals the one that is named most exactly, then the one that is named first, then the first
// offer. Without the header it is the first offer. When nothing fits, the error has CodeNotAcceptable.
func Accept(r *http.Request, offers ...string) (string, error) {
	ranges := parseAccept(r.Header.Values("Accept"))
	if len(ranges) == 0 {
		return offers[0], nil
	}
	best, bestMatch := "", accepted{}
	for _, offer := range offers {
		match := matchAccept(ranges, offer)
		if match.q > 0 && (best == "" || match.beats(bestMatch)) {
			best, bestMatch = offer, match
		}
	}
	if best == "" {
		return "", &todoke.Error{
			Code: todoke.CodeNotAcceptable, Field: "Accept", Hint: "this can be sent as " + strings.Join(offers, " or "),
		}
	}
	return best, nil
}

// accepted is one media range of an Accept header.
type accepted struct {
	media string // "text/html", "text/*", "*/*"
	exact int    // 2, 1, 0
	q     float64
	order int
}

func (a accepted) beats(b accepted) bool {
	switch {
	case a.q != b.q:
		return a.q > b.q
	case a.exact != b.exact:
		return a.exact > b.exact
	default:
		return a.order < b.order
	}
}

// matchAccept finds the range that speaks of the offer most exactly; its q counts, also when it is 0.
func matchAccept(ranges []accepted, offer string) accepted {
	kind, _, _ := strings.Cut(offer, "/")
	match := accepted{exact: -1}
	for _, a := range ranges {
		fits := a.media == offer || a.exact == 1 && a.media == kind+"/*" || a.exact == 0
		if fits && a.exact > match.exact {
			match = a
		}
	}
	return match
}

// parseAccept leaves out what is not well formed.
func parseAccept(values []string) (ranges []accepted) {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			a, ok := parseRange(part)
			if ok {
				a.order = len(ranges)
				ranges = append(ranges, a)
			}
		}
	}
	return ranges
}

func parseRange(text string) (a accepted, ok bool) {
	media, params, _ := strings.Cut(text, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	kind, sub, found := strings.Cut(media, "/")
	if !found || kind == "" || sub == "" || kind == "*" && sub != "*" {
		return accepted{}, false
	}
	a = accepted{media: media, exact: 2, q: 1}
	switch {
	case kind == "*":
		a.exact = 0
	case sub == "*":
		a.exact = 1
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) { // NaN too
			return accepted{}, false
		}
		a.q = q
	}
	return a, true
}

// preferredWait reads "Prefer: wait=30" (RFC 7240 §4.3): whole seconds, cut to MaxWait. ok is false when there is no such wish,
// or one that cannot be understood. Of several the first counts (§2).
func preferredWait(h http.Header) (wait time.Duration, ok bool) {
	for _, value := range h.Values("Prefer") {
		for preference := range strings.SplitSeq(value, ",") {
			preference, _, _ = strings.Cut(preference, ";") // parameters of a preference: wait has none
			name, text, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			text = strings.TrimSpace(text)
			if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
				text = text[1 : n-1]
			}
			seconds, err := strconv.ParseUint(text, 10, 32)
			if err != nil || seconds == 0 {
				return 0, false
			}
			return min(time.Duration(seconds)*time.Second, MaxWait), true
		}
	}
	return 0, false
}

// IsWebSocket reports whether r asks for a WebSocket (RFC 6455 §4.2.1). It does not check the handshake.
func IsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && hasToken(r.Header.Values("Upgrade"), "websocket")
}

func hasToken(values []string, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
