package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
)

// attemptTimeout bounds one attempt of a publish or a read of the history: a server that hangs is asked again.
const attemptTimeout = 30 * time.Second

// A call is one request with an answer that is read whole.
type call struct {
	method, path string
	header       http.Header // added to what every request has; may be nil
	body         []byte
	limit        int  // most bytes of the answer
	endless      bool // the answer takes its time: HTTPClient's Timeout does not count
}

// An answer is a response that was read whole; its status is 200 or, where asked for, 304.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// once makes one attempt.
func (c *Client) once(ctx context.Context, q call) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, fmt.Errorf("making the request: %w", err)
	}
	req.Header = c.header()
	for name, values := range q.header {
		req.Header[name] = values
	}
	httpClient := c.http
	if q.endless {
		httpClient = c.streams
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNotModified:
	default:
		return answer{}, errorOf(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(q.limit)+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > q.limit {
		return answer{}, tooLarge(q.limit)
	}
	return answer{resp.StatusCode, resp.Header, body}, nil
}

// repeat makes attempts until one succeeds or fails for good; after c.retry it begins no further one. An error after which it is not
// known whether the server did what was asked has todoke.CodeUnknown.
func (c *Client) repeat(ctx context.Context, q call) (answer, error) {
	deadline := time.Now().Add(c.retry)
	unknown := false
	for failures := 1; ; failures++ {
		a, err := c.attempt(ctx, q)
		if err == nil {
			return a, nil
		}
		if !temporary(err) {
			return answer{}, err
		}
		// An answer without a status (a cut), or with one that says so, leaves the outcome open.
		_, answered := errors.AsType[*statusError](err)
		unknown = unknown || errors.Is(err, todoke.CodeUnknown) || !answered && !notSent(err)

		delay := c.backoff.delay(failures, serverDelay(err))
		if ctx.Err() != nil || time.Until(deadline) <= delay {
			return answer{}, gaveUp(ctx, err, failures, unknown)
		}
		c.log.InfoContext(ctx, "trying again", "path", q.path, "after", delay, "error", err)
		if sleep(ctx, delay) != nil {
			return answer{}, gaveUp(ctx, err, failures, unknown)
		}
	}
}

func (c *Client) attempt(ctx context.Context, q call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return c.once(ctx, q)
}

// gaveUp makes the error of a call whose time is over. It matches the ctx's error when that is why.
func gaveUp(ctx context.Context, last error, attempts int, unknown bool) error {
	code, hint := todoke.CodeUnavailable, "the server did not do it"
	if unknown {
		code, hint = todoke.CodeUnknown, "it is not known whether the server did it; repeat with the same idempotency key"
	}
	if e, ok := errors.AsType[*todoke.Error](last); ok && !unknown {
		code, hint = e.Code, e.Hint
	}
	if err := ctx.Err(); err != nil && !errors.Is(last, err) {
		last = errors.Join(err, last)
	}
	return &todoke.Error{Code: code, Hint: fmt.Sprintf("%s (gave up after %d attempts)", hint, attempts), Err: last}
}

// serverDelay is how long the server asked to wait; 0 if it did not.
func serverDelay(err error) time.Duration {
	if e, ok := errors.AsType[*todoke.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
