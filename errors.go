package todoke

import (
	"errors"
	"fmt"
	"time"
)

// A Code is a kind of failure a caller can act on: errors.Is(err, todoke.CodeTooLarge).
// Every transport sends this string. Codes are added, never renamed.
type Code string

// The codes. docs/errors.md tells a user what to do about each.
const (
	CodeInvalidChannel    Code = "invalid_channel"   // not a channel name, or a pattern where only a channel may stand
	CodeInvalidPosition   Code = "invalid_position"  // not a position's text
	CodeInvalidSince      Code = "invalid_since"     // none of the forms of since
	CodeInvalidParameter  Code = "invalid_parameter" // a parameter, header or setting outside of what it may be
	CodeInvalidMessage    Code = "invalid_message"   // a field of a message outside of what it may be
	CodeInvalidJSON       Code = "invalid_json"      // the type says JSON and the data is not
	CodeInvalidFrame      Code = "invalid_frame"     // a session frame that cannot be understood
	CodeTooLarge          Code = "too_large"         // over the namespace's limit; nothing was appended
	CodeTooManyChannels   Code = "too_many_channels" // over the limit of channels or patterns a request
	CodeUnauthenticated   Code = "unauthenticated"   // who is asking is not known
	CodeForbidden         Code = "forbidden"         // who is asking may not
	CodeNotFound          Code = "not_found"         // nothing lives at this address
	CodeMethodNotAllowed  Code = "method_not_allowed"
	CodeNotAcceptable     Code = "not_acceptable"     // no representation the client accepts
	CodeUnsupportedType   Code = "unsupported_type"   // a request body of a type that is not taken here
	CodeAlreadySubscribed Code = "already_subscribed" // another subscription of the session has the channel
	CodeNotSubscribed     Code = "not_subscribed"     // no subscription of the session has the channel
	CodeRateLimited       Code = "rate_limited"
	CodeUnavailable       Code = "unavailable"     // the store cannot be reached; nothing was changed
	CodeRestarting        Code = "restarting"      // this node is stopping: resume elsewhere, after RetryAfter
	CodeClosed            Code = "closed"          // the hub, the engine or the subscription was closed
	CodeUnknown           Code = "outcome_unknown" // it may have happened or not: repeat with the same idempotency key
	CodeInternal          Code = "internal"        // a fault of todoke's own; the log has the cause
)

// Error makes a Code an error, so that it can be the target of errors.Is.
func (c Code) Error() string { return string(c) }

// An Error adds to a Code what a person should do and what a program needs to act.
type Error struct {
	Code Code
	// Field names the parameter, header or field at fault; empty where there is none.
	Field string
	// Hint says to a person what to do. It is sent to clients: no secret, no inner detail.
	Hint string
	// RetryAfter, if not zero, is when trying again makes sense.
	RetryAfter time.Duration
	// Err is the cause. It is logged and never sent.
	Err error
}

// Error gives the code, the field, the hint and the cause, in this order.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is e's code.
func (e *Error) Is(target error) bool { return target == error(e.Code) }

// AsError finds the *Error in err's tree. For an error without one it returns an Error with
// CodeInternal that wraps it, and for nil it returns nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if c, ok := errors.AsType[Code](err); ok {
		return &Error{Code: c, Err: err}
	}
	return &Error{Code: CodeInternal, Hint: "an unexpected fault in the server", Err: err}
}

// errf makes an Error whose hint is formatted.
func errf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Hint: fmt.Sprintf(format, args...)}
}
