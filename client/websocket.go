package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// A wsConn is a WebSocket with a watchdog. It has no goroutine: read reads from the connection, and answers pings on the way.
type wsConn struct {
	*websocket.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	dog    *watchdog
	max    int
}

func (c *Client) dialConn(ctx, life context.Context, path string) (*wsConn, error) {
	w := &wsConn{max: c.max}
	w.ctx, w.cancel = context.WithCancelCause(life)
	w.dog = newWatchdog(c.idle, w.cancel)
	defer w.dog.during(ctx)()
	conn, resp, err := websocket.Dial(w.ctx, c.base+path, &websocket.DialOptions{
		HTTPClient: c.streams,
		HTTPHeader: c.header(),
		OnPingReceived: func(context.Context, []byte) bool {
			w.dog.feed() // a reader that is idle gets pings and nothing else
			return true
		},
	})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = errorOf(resp)
		}
		err = w.fault(err)
		w.cancel(context.Canceled)
		w.dog.disarm()
		return nil, err
	}
	conn.SetReadLimit(int64(c.max))
	w.Conn = conn
	return w, nil
}

// read returns the next frame; a ctx that ends cuts the connection.
func (w *wsConn) read(ctx context.Context) ([]byte, error) {
	defer w.dog.during(ctx)()
	_, data, err := w.Conn.Read(w.ctx)
	if err != nil {
		return nil, w.fault(err)
	}
	return data, nil
}

// fault gives an error of the connection its meaning.
func (w *wsConn) fault(err error) error {
	switch {
	case context.Cause(w.ctx) == errIdle:
		return errIdle
	case errors.Is(err, websocket.ErrMessageTooBig):
		return tooLarge(w.max)
	}
	return err
}

// close ends the connection at once, without the closing handshake: whoever reads has nothing to say.
func (w *wsConn) close() {
	w.cancel(context.Canceled)
	w.dog.disarm()
	w.Conn.CloseNow()
}

// A reconnect is the notice of a server that stops.
type reconnect struct {
	After string `json:"after"`
}

func (r *reconnect) delay() time.Duration {
	d, err := time.ParseDuration(r.After)
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// restarting is the error of a link whose server told it to come again after delay.
func restarting(delay time.Duration, cause error) error {
	return &todoke.Error{Code: todoke.CodeRestarting, Hint: "the server is stopping", RetryAfter: delay, Err: cause}
}

// A wsLink reads a receive-only WebSocket.
type wsLink struct {
	conn *wsConn
	told *reconnect // the server is about to close
}

func (c *Client) dialWebSocket(ctx, life context.Context, o SubscribeOptions, since todoke.Since) (link, error) {
	conn, err := c.dialConn(ctx, life, readPath(o.Channels, streamQuery(since)))
	if err != nil {
		return nil, err
	}
	return &wsLink{conn: conn}, nil
}

func (l *wsLink) next(ctx context.Context) (Event, error) {
	for {
		data, err := l.conn.read(ctx)
		if err != nil && l.told != nil {
			return Event{}, restarting(l.told.delay(), err)
		}
		if err != nil {
			return Event{}, err
		}
		e, err := l.decode(data)
		if err != nil {
			return Event{}, err
		}
		if e.Message != nil || e.Gap != nil || !e.Position.IsZero() {
			return e, nil
		}
	}
}

// A wsFrame is a text frame: one of the first four, or else a message object.
type wsFrame struct {
	Position  todoke.Position `json:"position"`
	Gap       *frame.Gap      `json:"gap"`
	Reconnect *reconnect      `json:"reconnect"`
	Error     *problem        `json:"error"`
	ID        string          `json:"id"`
}

func (l *wsLink) decode(data []byte) (Event, error) {
	var f wsFrame
	if err := json.Unmarshal(data, &f); err != nil {
		return Event{}, unexpected("frame", err)
	}
	switch {
	case f.ID != "":
		return decodeMessage(data)
	case f.Gap != nil:
		return gapEvent(*f.Gap), nil
	case f.Error != nil:
		return Event{}, f.Error.err(f.Error.Status)
	case f.Reconnect != nil:
		l.told = f.Reconnect // the close frame comes next: reading it answers it (RFC 6455 §5.5.1)
	}
	return Event{Position: f.Position}, nil
}

func (l *wsLink) close() { l.conn.close() }
