package sse

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
)

// chunkBytes is what a client must take within one WriteTimeout: a large message over a slow line is no reason to cut it,
// taking nothing is.
const chunkBytes = 64 << 10

// A link writes one stream. It belongs to the goroutine of the request.
type link struct {
	h       *Handler
	w       http.ResponseWriter
	control *http.ResponseController
}

func (h *Handler) newLink(w http.ResponseWriter) *link {
	return &link{h: h, w: w, control: http.NewResponseController(w)}
}

// open begins the stream. It fails when the client is gone.
func (l *link) open(sub *todoke.Subscription) error {
	// The server's limit is for requests that are answered at once. Where it cannot be lifted the stream ends at it.
	_ = l.control.SetReadDeadline(time.Time{})
	return l.write(appendPosition(appendRetryLine(nil, jitter(l.h.o.Retry)), sub.Position()))
}

// run sends what sub reads until the client goes or the stream is over.
func (l *link) run(ctx context.Context, sub *todoke.Subscription, format todoke.Format) {
	idle := time.NewTimer(l.h.o.KeepAlive)
	defer idle.Stop()
	for {
		frames, err := sub.ReadFrames(ctx, format)
		if err != nil {
			l.end(ctx, err)
			return
		}
		if len(frames.Bytes) > 0 {
			if l.write(frames.Bytes) != nil {
				return
			}
			idle.Reset(l.h.o.KeepAlive)
			continue
		}
		select {
		case <-sub.Wake():
		case <-idle.C:
			if l.write(appendKeepAlive(nil, sub.Position())) != nil {
				return
			}
			idle.Reset(l.h.o.KeepAlive)
		case <-ctx.Done():
			return
		}
	}
}

// end says why the stream is over, if anybody is there to hear it.
func (l *link) end(ctx context.Context, err error) {
	if ctx.Err() == nil {
		_ = l.write(l.h.lastWords(ctx, err))
	}
}

// lastWords are what a stream that ends with err says.
func (h *Handler) lastWords(ctx context.Context, err error) []byte {
	if errors.Is(err, todoke.CodeRestarting) {
		return appendRetry(nil, todoke.AsError(err).RetryAfter)
	}
	h.log(ctx, err)
	return appendError(nil, err)
}

// write sends text at once. An error means that the client is gone, or takes nothing: the stream is over.
func (l *link) write(text []byte) error {
	for len(text) > 0 {
		n := min(len(text), chunkBytes)
		// Not every ResponseWriter has deadlines; then TCP's own are all there is.
		_ = l.control.SetWriteDeadline(time.Now().Add(l.h.o.WriteTimeout))
		if _, err := l.w.Write(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	if err := l.control.Flush(); err != nil {
		return err
	}
	// A deadline of HTTP/2 does not wait for the next write: net/http resets the stream when it passes, idle or not.
	_ = l.control.SetWriteDeadline(time.Time{})
	return nil
}

// jitter returns a random time between half of d and one and a half of it.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }
