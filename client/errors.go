package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
)

// maxProblemBytes bounds what is read of an answer that tells an error.
const maxProblemBytes = 64 << 10

// A statusError is the cause of an error that came as an HTTP status.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("HTTP status %d %s", e.status, http.StatusText(e.status))
}

// A problem is what the client reads of a problem document (RFC 9457 §3.1) or an error frame.
type problem struct {
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Code   todoke.Code `json:"code"`
	Detail string      `json:"detail"`
	Field  string      `json:"field"`
}

// err makes the *todoke.Error that the server meant. status is 0 where there is none.
func (p problem) err(status int) *todoke.Error {
	e := &todoke.Error{Code: p.Code, Field: p.Field, Hint: p.Detail}
	if e.Hint == "" {
		e.Hint = p.Title
	}
	if status != 0 {
		e.Err = &statusError{status}
	}
	if e.Code == "" {
		e.Code = codeOf(status)
	}
	return e
}

// codeOf is for answers without a problem document: from a proxy, or from what is no todoke server.
func codeOf(status int) todoke.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return todoke.CodeUnauthenticated
	case http.StatusForbidden:
		return todoke.CodeForbidden
	case http.StatusNotFound, http.StatusGone:
		return todoke.CodeNotFound
	case http.StatusMethodNotAllowed:
		return todoke.CodeMethodNotAllowed
	case http.StatusNotAcceptable:
		return todoke.CodeNotAcceptable
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestURITooLong:
		return todoke.CodeTooLarge
	case http.StatusTooManyRequests:
		return todoke.CodeRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return todoke.CodeUnavailable
	}
	if status >= 500 {
		return todoke.CodeInternal
	}
	return todoke.CodeInvalidParameter
}

// errorOf reads an answer that is not what was asked for. It does not close the body.
func errorOf(resp *http.Response) error {
	var p problem
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.Body != nil && strings.HasSuffix(mediaType, "json") {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
		if json.Unmarshal(body, &p) != nil {
			p = problem{}
		}
	}
	e := p.err(resp.StatusCode)
	if e.Hint == "" {
		e.Hint = fmt.Sprintf("the answer is %s, without a reason; is a todoke server at this address?", resp.Status)
	}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return e
}

// retryAfter reads a Retry-After (RFC 9110 §10.2.3): seconds or a date. 0: none that makes sense.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil && date.After(now) {
		return date.Sub(now)
	}
	return 0
}

// temporary reports whether another attempt may succeed where err came from.
func temporary(err error) bool {
	if s, ok := errors.AsType[*statusError](err); ok {
		switch s.status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return true
		}
		return s.status >= 500 && s.status != http.StatusNotImplemented
	}
	if e, ok := errors.AsType[*todoke.Error](err); ok {
		switch e.Code {
		case todoke.CodeRateLimited, todoke.CodeUnavailable, todoke.CodeRestarting, todoke.CodeClosed,
			todoke.CodeUnknown, todoke.CodeInternal:
			return true
		}
		return false
	}
	switch websocket.CloseStatus(err) {
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData, websocket.StatusInvalidFramePayloadData,
		websocket.StatusPolicyViolation, websocket.StatusMessageTooBig:
		return false // RFC 6455 §7.4.1: the server says that the fault is ours
	}
	return true // the network's
}

// notSent reports whether err proves that the request did not reach the server.
func notSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// unexpected is an answer that cannot be read: it is no todoke server's, or a newer one's.
func unexpected(what string, cause error) error {
	return &todoke.Error{Code: todoke.CodeInvalidFrame, Hint: "the server's " + what + " cannot be read; is a todoke server at this address?", Err: cause}
}

func tooLarge(limit int) error {
	return &todoke.Error{Code: todoke.CodeTooLarge, Hint: fmt.Sprintf("what the server sent is over %d bytes; raise MaxMessageBytes", limit)}
}
