package websocket

import (
	"context"
	"net/http"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/request"
)

// serveStream serves a receive-only stream, and returns early if the pool does. Else the calling goroutine writes; a second one listens, and
// ends with the link.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, read request.Read, from subscriber) {
	if err := h.checkHandshake(w, r); err != nil {
		h.refuse(w, r, err)
		return
	}
	sub, err := from.Subscribe(r.Context(), read.Channels, read.Since)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if h.detachable(r) {
		s := newPooledStream(h, sub)
		if w, err = h.detach(w, r, &s.Link, sub, s.start); w == nil {
			if err != nil {
				sub.Close()
			}
			return
		}
	}
	defer sub.Close()
	l, err := h.accept(w, r)
	if err != nil {
		h.o.Logger.DebugContext(r.Context(), "the WebSocket handshake failed", "error", err)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		cancel(l.listen())
	}()
	err = l.stream(ctx, sub, h.o.KeepAlive)
	h.end(r.Context(), l, err)
	<-listening
}

// listen waits for the peer to close, and meanwhile lets the library answer pings. It returns an *ending.
func (l *link) listen() error {
	_, _, err := l.ws.Reader(context.Background())
	if err == nil {
		return &ending{code: coder.StatusPolicyViolation, reason: "this stream only sends; use a session to talk"}
	}
	e := readEnding(err)
	if e.code == 0 {
		l.cut() // a write under way need not wait for its time-out
	}
	return e
}

// stream writes what sub reads until one of them ends or ctx does. Its error is never nil.
func (l *link) stream(ctx context.Context, sub *todoke.Subscription, every time.Duration) error {
	told := sub.Position()
	if err := l.write(frame.AppendPosition(nil, told, 0)); err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	now := make(chan struct{})
	close(now)
	for {
		frames, err := sub.ReadFrames(ctx, frame.Stream{})
		if err != nil {
			return either(ctx, err)
		}
		var more chan struct{} // ready where there may be more already
		if len(frames.Bytes) > 0 {
			more = now
			if err := l.writeAll(frames); err != nil {
				return err
			}
		}
		select { // takes any of those that are ready, so a firehose keeps neither the tick nor the end away
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if err := l.keepAlive(); err != nil {
				return err
			}
			if more == nil {
				if told, err = l.tell(sub, told, 0); err != nil {
					return err
				}
			}
		case <-sub.Wake():
		case <-more:
		}
	}
}

// either is ctx's cause where ctx is what made err.
func either(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// tell sends where the reader of a subscription is, if that has changed since it was told. It is called by the goroutine that reads and
// writes the subscription, when everything read was written: otherwise the position would run ahead of the messages.
func (l *link) tell(sub *todoke.Subscription, told todoke.Position, id uint32) (todoke.Position, error) {
	at := sub.Position()
	if at == told {
		return told, nil
	}
	return at, l.write(frame.AppendPosition(nil, at, id))
}
