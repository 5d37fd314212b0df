package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/todoke-dev/todoke"
)

// retryAfter is what callers are told when the store cannot be reached.
const retryAfter = time.Second

func errClosed() error { return &todoke.Error{Code: todoke.CodeClosed, Hint: "the log is closed"} }

// unavailable: nothing was changed.
func unavailable(cause error) error {
	return &todoke.Error{Code: todoke.CodeUnavailable, Hint: "the log cannot be reached at the moment; try again", RetryAfter: retryAfter, Err: cause}
}

// unknown: it may have been appended.
func unknown(cause error) error {
	return &todoke.Error{Code: todoke.CodeUnknown, Hint: "whether the messages were appended is not known; publish them again with the same idempotency keys",
		RetryAfter: retryAfter, Err: cause}
}

// errDisconnected is the cause of what the end of a connection ended.
var errDisconnected = errors.New("the connection to NATS was lost")

// errNoLeader is why a replica's answer is none.
var errNoLeader = errors.New("the stream has no leader at the moment")

// failed makes the error of a call that reads: the context's if it ended, CodeClosed after Close, else CodeUnavailable.
func (e *Engine) failed(ctx context.Context, call string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", call, context.Cause(ctx))
	case e.life.Err() != nil:
		return errClosed()
	}
	if _, ok := errors.AsType[*todoke.Error](err); ok {
		return err
	}
	return unavailable(fmt.Errorf("%s: %w", call, err))
}

// outcome makes the error of a publish that was sent and not answered.
func (e *Engine) outcome(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return unknown(context.Cause(ctx))
	}
	return unknown(err)
}

// notLed reports whether err says that nobody took the request in: there is no stream leader at the moment, or no stream.
func notLed(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// Error codes of JetStream's API (errors.json of nats-server) beyond those that its client names.
const (
	codeSubjectOverlap     = 10065
	codeInsufficient       = 10023
	codeNoPeers            = 10005
	codeNotClustered       = 10074
	codeNotLeader          = 10009
	codeDuplicateInProcess = 10158
	codeBatchIncomplete    = 10176
	codeBatchDuplicate     = 10201
	codeBatchTooMany       = 10210
	codeWrongLastMsgID     = 10070
)
