// Package problem turns errors into problem documents (RFC 9457), the one shape in which todoke's HTTP face says what
// went wrong: a stable code for programs, a detail that says to a person what to do, and the field at fault. What
// caused an error (todoke.Error.Err) is for the log and never in a document.
package problem

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
)

// ContentType is the media type of a problem document (RFC 9457 §6.1).
const ContentType = "application/problem+json"

// TypePrefix and a code make the type of a problem: the address of the page that explains it.
const TypePrefix = "https://github.com/todoke-dev/todoke/blob/main/docs/errors.md#"

// A Problem is a problem document (RFC 9457 §3). Code and Field are todoke's extension members.
type Problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Code   todoke.Code `json:"code"`
	Detail string      `json:"detail"`
	Field  string      `json:"field,omitempty"`
}

// kind is what all problems of one code share.
type kind struct {
	status int
	title  string
	// retry: trying again may help, so the answer says when (Retry-After).
	retry bool
}

func kindOf(code todoke.Code) kind {
	switch code {
	case todoke.CodeInvalidChannel:
		return kind{status: http.StatusBadRequest, title: "Invalid channel name"}
	case todoke.CodeInvalidPosition:
		return kind{status: http.StatusBadRequest, title: "Invalid position"}
	case todoke.CodeInvalidSince:
		return kind{status: http.StatusBadRequest, title: "Invalid since"}
	case todoke.CodeInvalidParameter:
		return kind{status: http.StatusBadRequest, title: "Invalid parameter"}
	case todoke.CodeInvalidMessage:
		return kind{status: http.StatusBadRequest, title: "Invalid message"}
	case todoke.CodeInvalidJSON:
		return kind{status: http.StatusBadRequest, title: "Invalid JSON"}
	case todoke.CodeInvalidFrame:
		return kind{status: http.StatusBadRequest, title: "Invalid frame"}
	case todoke.CodeTooManyChannels:
		return kind{status: http.StatusBadRequest, title: "Too many channels"}
	default:
		return kindOfState(code)
	}
}

// kindOfState is kindOf for what is not the request's wording.
func kindOfState(code todoke.Code) kind {
	switch code {
	case todoke.CodeTooLarge:
		return kind{status: http.StatusRequestEntityTooLarge, title: "Too large"}
	case todoke.CodeUnauthenticated:
		return kind{status: http.StatusUnauthorized, title: "Not authenticated"}
	case todoke.CodeForbidden:
		return kind{status: http.StatusForbidden, title: "Forbidden"}
	case todoke.CodeNotFound:
		return kind{status: http.StatusNotFound, title: "Not found"}
	case todoke.CodeMethodNotAllowed:
		return kind{status: http.StatusMethodNotAllowed, title: "Method not allowed"}
	case todoke.CodeNotAcceptable:
		return kind{status: http.StatusNotAcceptable, title: "Not acceptable"}
	case todoke.CodeUnsupportedType:
		return kind{status: http.StatusUnsupportedMediaType, title: "Unsupported media type"}
	case todoke.CodeAlreadySubscribed:
		return kind{status: http.StatusConflict, title: "Already subscribed"}
	case todoke.CodeNotSubscribed:
		return kind{status: http.StatusConflict, title: "Not subscribed"}
	case todoke.CodeRateLimited:
		return kind{status: http.StatusTooManyRequests, title: "Too many requests", retry: true}
	case todoke.CodeUnavailable:
		return kind{status: http.StatusServiceUnavailable, title: "Temporarily unavailable", retry: true}
	case todoke.CodeRestarting:
		return kind{status: http.StatusServiceUnavailable, title: "Restarting", retry: true}
	case todoke.CodeClosed:
		return kind{status: http.StatusServiceUnavailable, title: "Closed", retry: true}
	case todoke.CodeUnknown:
		return kind{status: http.StatusServiceUnavailable, title: "Outcome not known", retry: true}
	default:
		return kind{status: http.StatusInternalServerError, title: "Internal error"}
	}
}

// Status returns the HTTP status of a code. Codes that this version does not know are 500.
func Status(code todoke.Code) int { return kindOf(code).status }

// Of returns the problem document of err, which is not nil. An error that is no *todoke.Error is internal, and its text is not told.
func Of(err error) Problem {
	e := todoke.AsError(err)
	k := kindOf(e.Code)
	p := Problem{
		Type: TypePrefix + string(e.Code), Title: k.title, Status: k.status, Code: e.Code,
		Detail: strings.ToValidUTF8(e.Hint, "\uFFFD"), Field: strings.ToValidUTF8(e.Field, "\uFFFD"),
	}
	if p.Detail == "" {
		p.Detail = k.title
	}
	return p
}

// Append appends the document in one line, so that it can be an SSE event's data.
func (p Problem) Append(dst []byte) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // it is JSON, not a page; "a<b" is to be read as it is
	if err := enc.Encode(p); err != nil {
		return append(dst, `{"status":500,"code":"internal"}`...) // a struct of strings and a number always encodes
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// Write answers r with the problem document of err. A problem that is worth retrying carries Retry-After (whole
// seconds, at least 1); one that asks for credentials, WWW-Authenticate. Headers that a caller set for the
// answer it did not give (ETag, Content-Length …) are removed; Allow and the like stay. The answer to HEAD has no body.
// Write logs nothing: who calls it knows the cause and has the logger.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	e := todoke.AsError(err)
	p := Of(err)
	h := w.Header()
	for _, name := range [...]string{"ETag", "Last-Modified", "Content-Encoding", "Content-Length"} {
		h.Del(name)
	}
	if kindOf(e.Code).retry || e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(retrySeconds(e.RetryAfter), 10))
	}
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2: a 401 says how to come back
	}
	body := p.Append(nil)
	h.Set("Content-Type", ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff") // the detail repeats parts of the request
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error here means that the client is gone
	}
}

// retrySeconds rounds up: coming back too early is refused again.
func retrySeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}
