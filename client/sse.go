package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// errNoEventStream says that the answer to a request for events is something else.
var errNoEventStream = errors.New("the answer is not an event stream")

// An sseLink reads one event stream. It has no goroutine: next reads from the connection.
type sseLink struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	dog    *watchdog
	idle   time.Duration // the watchdog's patience once something came
	body   io.ReadCloser
	parser *sseParser
	max    int
}

func (c *Client) dialSSE(ctx, life context.Context, o SubscribeOptions, since todoke.Since) (link, error) {
	l := &sseLink{max: c.max, idle: c.idle}
	l.ctx, l.cancel = context.WithCancelCause(life)
	l.dog = newWatchdog(c.idle, l.cancel)
	if o.Transport == TransportAuto {
		l.dog.timeout = min(c.idle, openTimeout)
	}
	defer l.dog.during(ctx)()
	if err := l.open(c, o, since); err != nil {
		err = l.fault(err)
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *sseLink) open(c *Client, o SubscribeOptions, since todoke.Since) error {
	query := streamQuery(since)
	query.Set("format", "message")
	req, err := http.NewRequestWithContext(l.ctx, http.MethodGet, c.base+readPath(o.Channels, query), nil)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header = c.header()
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity") // a proxy that compresses often waits for a full block
	resp, err := c.streams.Do(req)
	if err != nil {
		return err
	}
	l.body = resp.Body
	if resp.StatusCode == http.StatusNoContent {
		// WHATWG HTML §9.2.2: with 204 the server says not to come again.
		return &todoke.Error{Code: todoke.CodeClosed, Hint: "the server says not to come again", Err: &statusError{resp.StatusCode}}
	}
	if resp.StatusCode != http.StatusOK {
		return errorOf(resp)
	}
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType != "text/event-stream" {
		return &todoke.Error{Code: todoke.CodeNotAcceptable, Hint: "asked for events, the server answered with " + resp.Header.Get("Content-Type"), Err: errNoEventStream}
	}
	l.parser = newSSEParser(fedReader{resp.Body, l.dog}, l.max)
	return nil
}

func (l *sseLink) next(ctx context.Context) (Event, error) {
	defer l.dog.during(ctx)()
	for {
		raw, err := l.parser.next()
		if err != nil {
			return Event{}, l.fault(err)
		}
		l.dog.timeout = l.idle
		e, err := decodeSSE(raw)
		if err != nil {
			return Event{}, err
		}
		if e.Message != nil || e.Gap != nil || !e.Position.IsZero() {
			return e, nil
		}
	}
}

// decodeSSE makes an event of what the stream said; the zero Event for what is not known here, for the wire grows.
func decodeSSE(raw sseEvent) (e Event, err error) {
	switch {
	case raw.dispatched && raw.name == "todoke.gap":
		var g struct{ Gap frame.Gap }
		if err := json.Unmarshal(raw.data, &g); err != nil {
			return Event{}, unexpected("gap", err)
		}
		return gapEvent(g.Gap), nil
	case raw.dispatched && raw.name == "todoke.error":
		var p problem
		if err := json.Unmarshal(raw.data, &p); err != nil {
			return Event{}, unexpected("error", err)
		}
		return Event{}, p.err(p.Status)
	case raw.dispatched && !strings.HasPrefix(raw.name, todoke.ReservedEventPrefix):
		return decodeMessage(raw.data)
	case raw.setsID && raw.id != "": // todoke.position, or an id by itself
		if err = e.Position.UnmarshalText([]byte(raw.id)); err != nil {
			return Event{}, unexpected("position", err)
		}
	}
	return e, nil
}

// fault gives an error of the connection its meaning.
func (l *sseLink) fault(err error) error {
	switch {
	case context.Cause(l.ctx) == errIdle:
		return errIdle
	case errors.Is(err, errEventTooLarge):
		return tooLarge(l.max)
	case l.parser == nil:
		return err
	}
	// The server sets retry when it opens the stream, and to this reader's share of the spread when it stops.
	return &todoke.Error{Code: todoke.CodeUnavailable, Hint: "the stream ended", RetryAfter: l.parser.retry, Err: err}
}

func (l *sseLink) close() {
	l.cancel(context.Canceled)
	l.dog.disarm()
	if l.body != nil {
		l.body.Close()
	}
}

// A fedReader feeds the watchdog with what it reads.
type fedReader struct {
	r   io.Reader
	dog *watchdog
}

func (f fedReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if n > 0 {
		f.dog.feed()
	}
	return n, err
}
