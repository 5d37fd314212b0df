package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var codes = []todoke.Code{
	todoke.CodeInvalidChannel, todoke.CodeInvalidPosition, todoke.CodeInvalidSince, todoke.CodeInvalidParameter,
	todoke.CodeInvalidMessage, todoke.CodeInvalidJSON, todoke.CodeInvalidFrame, todoke.CodeTooLarge,
	todoke.CodeTooManyChannels, todoke.CodeUnauthenticated, todoke.CodeForbidden, todoke.CodeNotFound,
	todoke.CodeMethodNotAllowed, todoke.CodeNotAcceptable, todoke.CodeUnsupportedType, todoke.CodeAlreadySubscribed,
	todoke.CodeNotSubscribed, todoke.CodeRateLimited, todoke.CodeUnavailable, todoke.CodeRestarting,
	todoke.CodeClosed, todoke.CodeUnknown,
}

func TestDocumentIsTheOneInTheProtocol(t *testing.T) {
	const want = `{"type":"https://github.com/todoke-dev/todoke/blob/main/docs/errors.md#invalid_channel","title":"Invalid channel name","status":400,"code":"invalid_channel","detail":"segment 2 is empty; write a:b, not a::b","field":"channel"}`
	err := &todoke.Error{Code: todoke.CodeInvalidChannel, Field: "channel", Hint: "segment 2 is empty; write a:b, not a::b"}
	if got := string(Of(err).Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEveryCodeHasAStatusOfItsOwnKind(t *testing.T) {
	for _, code := range codes {
		p := Of(code)
		if p.Status < 400 || p.Status == 500 || p.Code != code || p.Title == "" || p.Detail == "" {
			t.Errorf("%s: %+v", code, p)
		}
		if strings.HasPrefix(string(code), "invalid_") && p.Status != 400 {
			t.Errorf("%s: status %d, want 400", code, p.Status)
		}
	}
	if got := Status("of_the_future"); got != 500 {
		t.Errorf("an unknown code has status %d, want 500", got)
	}
}

func TestCausesAreNotTold(t *testing.T) {
	for _, err := range []error{
		errors.New("password=hunter2"),
		fmt.Errorf("wrapped: %w", &todoke.Error{Code: todoke.CodeUnavailable, Hint: "later", Err: errors.New("password=hunter2")}),
	} {
		if doc := string(Of(err).Append(nil)); strings.Contains(doc, "hunter2") {
			t.Errorf("the document tells the cause: %s", doc)
		}
	}
}

func TestWrite(t *testing.T) {
	for _, test := range []struct {
		name       string
		method     string
		err        error
		status     int
		retryAfter string
	}{
		{"refused", "GET", todoke.CodeForbidden, 403, ""},
		{"asks for credentials", "GET", todoke.CodeUnauthenticated, 401, ""},
		{"HEAD has no body", "HEAD", todoke.CodeForbidden, 403, ""},
		{"retry without a time", "GET", todoke.CodeUnavailable, 503, "1"},
		{"retry rounds up", "GET", &todoke.Error{Code: todoke.CodeRestarting, RetryAfter: 2140 * time.Millisecond}, 503, "3"},
		{"retry of whole seconds", "POST", &todoke.Error{Code: todoke.CodeRateLimited, RetryAfter: 7 * time.Second}, 429, "7"},
		{"not ours", "POST", errors.New("boom"), 500, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.Header().Set("ETag", `W/"x"`)
			Write(rec, httptest.NewRequest(test.method, "/v1/messages", nil), test.err)
			h := rec.Header()
			if rec.Code != test.status || h.Get("Retry-After") != test.retryAfter {
				t.Errorf("status %d, Retry-After %q; want %d, %q", rec.Code, h.Get("Retry-After"), test.status, test.retryAfter)
			}
			if h.Get("Content-Type") != ContentType || h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", h)
			}
			if (h.Get("WWW-Authenticate") != "") != (test.status == 401) {
				t.Errorf("WWW-Authenticate %q with %d", h.Get("WWW-Authenticate"), test.status)
			}
			if test.method == http.MethodHead {
				if rec.Body.Len() != 0 {
					t.Errorf("HEAD got a body: %s", rec.Body)
				}
				return
			}
			var p Problem
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Status != test.status {
				t.Errorf("body %s: %v", rec.Body, err)
			}
		})
	}
}

func TestBytesThatAreNotUTF8StayOut(t *testing.T) {
	doc := Of(&todoke.Error{Code: todoke.CodeInvalidChannel, Field: "ch\xff", Hint: "segment 1 has \xff\nor a <b>"}).Append(nil)
	if !json.Valid(doc) || strings.Contains(string(doc), "\n") || !strings.Contains(string(doc), "<b>") {
		t.Errorf("got %q", doc)
	}
}
