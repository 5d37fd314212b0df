package poll

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/request"
)

// write sends the page, or 304 if the client has it.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, read request.Read, a answer) {
	body, tag := encode(a)
	header := w.Header()
	header.Set(PositionHeader, a.Position.String())
	header.Set("Cache-Control", h.cacheControl(read, a))
	if read.Preferred {
		header.Set("Preference-Applied", "wait="+strconv.Itoa(int(read.Wait/time.Second))) // RFC 7240 §3
	}
	if a.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((a.retryAfter+time.Second-1)/time.Second)))
		if r.ProtoMajor == 1 { // the next request is to find another node
			header.Set("Connection", "close")
		}
	}
	if !a.waited {
		header.Set("ETag", tag)
		if matches(r.Header.Values("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified) // RFC 9110 §15.4.5
			return
		}
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff") // the data is somebody's
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error here means that the client is gone; it asks again
	}
}

// encode makes the page and its tag. The tag is of all but the position: that moves with every channel of the log,
// and a client that keeps an older one loses nothing.
func encode(a answer) (body []byte, tag string) {
	body = append(body, `{"messages":[`...)
	for i, m := range a.Messages {
		if i > 0 {
			body = append(body, ',')
		}
		body = frame.AppendMessage(body, m)
	}
	body = append(body, `],"position":"`...)
	hash := sha256.New()
	hash.Write(body)
	hash.Write([]byte(a.Position.Epoch))
	if !a.Position.IsZero() {
		body = a.Position.AppendTo(body)
	}
	start := len(body)
	body = append(body, `","more":`...)
	body = strconv.AppendBool(body, a.More)
	body = append(appendGaps(body, a.Gaps), '}')
	hash.Write(body[start:])
	sum := hash.Sum(nil)
	return body, `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

func appendGaps(dst []byte, gaps []todoke.Gap) []byte {
	if len(gaps) == 0 {
		return dst
	}
	dst = append(dst, `,"gap":`...)
	dst = frame.AppendGap(dst, gaps[0])
	if len(gaps) == 1 {
		return dst
	}
	dst = append(dst, `,"gaps":[`...)
	for i, gap := range gaps {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = frame.AppendGap(dst, gap)
	}
	return append(dst, ']')
}

// cacheControl says who may keep the page, and for how long.
func (h *Handler) cacheControl(read request.Read, a answer) string {
	who := "private"
	if h.o.Public {
		who = "public"
	}
	switch {
	case a.waited:
		return "no-store"
	case unchanging(read, a):
		// A day: far longer than anybody polls from one place again, and an end to what was once readable.
		return who + ", max-age=86400, immutable"
	case h.o.Public:
		return "no-cache" // a shared cache may keep it, and asks whether it is still right
	default:
		return "private, no-cache"
	}
}

// unchanging reports whether the same request will always get this page: the log before the head does not change, so what lies
// between two positions of it stays the same. Not so where part of it is gone already, or will be when a TTL is over.
func unchanging(read request.Read, a answer) bool {
	since, ok := read.Since.Position()
	if !ok || since.Epoch != a.Position.Epoch || !a.More || len(a.Gaps) > 0 || len(a.Messages) == 0 {
		return false
	}
	for _, m := range a.Messages {
		if m.TTL > 0 {
			return false
		}
	}
	return true
}

// setVary names the headers that an answer depends on (RFC 9110 §12.5.5).
func (h *Handler) setVary(w http.ResponseWriter) {
	vary := "Accept, Prefer, Last-Event-ID"
	if !h.o.Public {
		vary += ", Authorization, Cookie"
	}
	w.Header().Add("Vary", vary)
}

// matches reports whether an If-None-Match header has the tag, compared weakly (RFC 9110 §13.1.2).
func matches(values []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, value := range values {
		for candidate := range strings.SplitSeq(value, ",") { // our tags have no comma
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
				return true
			}
		}
	}
	return false
}
