package websocket

import (
	"context"
	"errors"
	"io"
	"net"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/websocket/framing"
)

// An ending is why a link ends: with a close frame, or without one where nobody is left to read it.
type ending struct {
	code   coder.StatusCode // 0: the peer is gone, or has closed
	reason string           // for a person; at most 123 bytes (RFC 6455 §5.5)
	err    error
}

// Error gives the reason and the cause.
func (e *ending) Error() string {
	if e.err != nil {
		return e.reason + ": " + e.err.Error()
	}
	return e.reason
}

// Unwrap returns the cause.
func (e *ending) Unwrap() error { return e.err }

// errTooManyFaults ends a session whose client does not speak this protocol.
var errTooManyFaults = &ending{code: coder.StatusInvalidFramePayloadData, reason: "too many frames that cannot be understood"}

// lost makes an error of a write an ending; afterwards nothing can be written. Unless the wire itself has failed, the library
// has sent a close of its own from the reading side, and the peer gets the time to read it: the code here is then not sent.
func (l *link) lost(err error) error {
	if err == nil {
		return nil
	}
	e := &ending{reason: "the link was lost while writing", err: err}
	if l.wire.err() == nil {
		e.code = coder.StatusProtocolError
	}
	return e
}

// readEnding tells from an error of the library's reader how the link ends. The library has answered a close frame, and
// has sent 1002 or 1009 itself in most cases, and close then adds nothing; but it ends without a word at a
// frame without a mask (RFC 6455 §5.1) and at a length with its highest bit set (§5.2), and has no own type for either.
func readEnding(err error) *ending {
	var network net.Error
	switch {
	case coder.CloseStatus(err) != -1:
		return &ending{reason: "the peer closed", err: err}
	case errors.Is(err, coder.ErrMessageTooBig):
		return &ending{code: coder.StatusMessageTooBig, reason: "the message is over the limit", err: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &network),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &ending{reason: "the peer is gone", err: err}
	default:
		return &ending{code: coder.StatusProtocolError, reason: "the frame is not as RFC 6455 has it", err: err}
	}
}

// end ends the link in the way that err, which is not nil, asks for.
func (h *Handler) end(ctx context.Context, l *link, err error) {
	e := h.endingOf(ctx, err)
	switch e.code {
	case 0:
		l.cut()
		return
	case coder.StatusServiceRestart:
		if l.write(reconnect(err)) != nil {
			l.cut()
			return
		}
	}
	l.close(e.code, e.reason)
}

// farewell is what an evented link sends last, for the same reasons.
func (h *Handler) farewell(err error) []byte {
	e := h.endingOf(context.Background(), err)
	var last []byte
	if e.code == coder.StatusServiceRestart {
		last = framing.AppendText(last, reconnect(err))
	}
	return framing.AppendClose(last, uint16(e.code), e.reason)
}

// reconnect sends a client elsewhere.
func reconnect(err error) []byte { return frame.AppendReconnect(nil, todoke.AsError(err).RetryAfter) }

// endingOf makes an ending of an error, unless it is one.
func (h *Handler) endingOf(ctx context.Context, err error) *ending {
	if e, ok := errors.AsType[*ending](err); ok {
		return e
	}
	return h.serverEnding(ctx, err)
}

// serverEnding is the ending for an error on our side.
func (h *Handler) serverEnding(ctx context.Context, err error) *ending {
	switch todoke.AsError(err).Code {
	case todoke.CodeRestarting:
		return &ending{code: coder.StatusServiceRestart, reason: "restarting; resume with the last position"}
	case todoke.CodeClosed:
		return &ending{code: coder.StatusGoingAway, reason: "the server is going away"}
	case todoke.CodeUnavailable:
		h.o.Logger.WarnContext(ctx, "a WebSocket ended: the store cannot be reached", "error", err)
		return &ending{code: coder.StatusTryAgainLater, reason: "the store cannot be reached; resume with the last position"}
	}
	if ctx.Err() != nil {
		return &ending{code: coder.StatusGoingAway, reason: "the server is going away"}
	}
	h.o.Logger.ErrorContext(ctx, "a WebSocket ended", "error", err)
	return &ending{code: coder.StatusInternalError, reason: "an unexpected fault in the server"}
}
