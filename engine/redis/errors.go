package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// retryAfter is when a caller may try again while Redis is away.
const retryAfter = time.Second

// Words with which Redis begins an answer that says: not now, and nothing was done.
var notNow = []string{
	"LOADING", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "NOAUTH", "WRONGPASS", "NOPERM",
	"UNBLOCKED", "EXECABORT",
}

// errHistory is why a call has to look at the epoch again: the server does not know us, or has another history.
var errHistory = errors.New("the log in Redis is another one than before")

// reply returns what Redis answered, if err is its answer.
func reply(err error) (text string, ok bool) {
	if answer, is := rueidis.IsRedisErr(err); is {
		return answer.Error(), true
	}
	return "", false
}

// needsOpening reports whether the server refused a call because it has to be opened, or given our functions, first.
func needsOpening(err error) bool {
	text, ok := reply(err)
	return errors.Is(err, errHistory) || ok && (strings.HasPrefix(text, "TODOKEREOPEN") || isNotFound(text))
}

func isNotFound(text string) bool { return strings.Contains(text, "Function not found") }

func refused(text string) bool {
	for _, word := range notNow {
		if strings.HasPrefix(text, word+" ") {
			return true
		}
	}
	return false
}

// neverSent reports whether err is about getting a connection, so that Redis was not asked.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, rueidis.ErrNoAddr)
}

func unavailable(hint string, err error) error {
	return &todoke.Error{Code: todoke.CodeUnavailable, Hint: hint, RetryAfter: retryAfter, Err: err}
}

// fault makes of what went wrong in a call that changes nothing an error for its caller.
func (e *Engine) fault(ctx context.Context, call string, err error) error {
	switch {
	case e.closed.Load():
		return errClosed()
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", call, ctx.Err())
	case errors.As(err, new(*todoke.Error)):
		return err
	}
	if text, ok := reply(err); ok && !refused(text) && !needsOpening(err) {
		return &todoke.Error{Code: todoke.CodeInternal, Hint: "the log's store answered with an error", Err: fmt.Errorf("%s: %w", call, err)}
	}
	return unavailable("the log's store cannot be used just now; try again", fmt.Errorf("%s: %w", call, err))
}

// publishFault is fault for a publish: it may have been done.
func (e *Engine) publishFault(ctx context.Context, err error) error {
	text, answered := reply(err)
	switch {
	case neverSent(err), answered && refused(text), needsOpening(err):
		return e.fault(ctx, "publish", err)
	case e.closed.Load():
		err = fmt.Errorf("%w: %w", todoke.CodeClosed, err)
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return &todoke.Error{Code: todoke.CodeUnknown, Hint: "the log's store did not answer; repeat with the same idempotency key", RetryAfter: retryAfter, Err: err}
}

func errClosed() error { return &todoke.Error{Code: todoke.CodeClosed, Hint: "the log is closed"} }
