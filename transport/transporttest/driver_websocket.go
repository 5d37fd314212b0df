package transporttest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// A socketReader reads a receive-only stream or a session with one subscription; their frames differ by the
// envelope of messages.
type socketReader struct {
	conn     *websocket.Conn
	position string
	session  bool
	ended    bool
	pending  []Event
}

// socketFrame is every frame that a reader may get.
type socketFrame struct {
	Message      *frame.Message  `json:"message"`
	Gap          *frame.Gap      `json:"gap"`
	Position     string          `json:"position"`
	Subscription uint32          `json:"subscription"`
	Reconnect    json.RawMessage `json:"reconnect"`
	Subscribed   *struct {
		Channels []string `json:"channels"`
		Position string   `json:"position"`
	} `json:"subscribed"`
	Error *struct {
		Code   todoke.Code `json:"code"`
		Detail string      `json:"detail"`
	} `json:"error"`
}

func dialSocket(ctx context.Context, address string) (*websocket.Conn, error) {
	conn, resp, err := websocket.Dial(ctx, wsURL(address), &websocket.DialOptions{HTTPClient: client()})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != nil {
			return nil, refusal(resp)
		}
		return nil, err
	}
	conn.SetReadLimit(16 << 20)
	return conn, nil
}

func openWebSocket(ctx context.Context, base string, channels []string, since string) (Reader, error) {
	params := url.Values{}
	if since != "" {
		params.Set("since", since)
	}
	conn, err := dialSocket(ctx, address(base, channels, params))
	if err != nil {
		return nil, err
	}
	r := &socketReader{conn: conn}
	if err := r.read(ctx); err != nil || r.position == "" || len(r.pending) > 0 {
		r.Close()
		return nil, fmt.Errorf("the stream opens with position %q: %w", r.position, err)
	}
	return r, nil
}

func openSession(ctx context.Context, base string, channels []string, since string) (Reader, error) {
	conn, err := dialSocket(ctx, base+"/v1/connect")
	if err != nil {
		return nil, err
	}
	r := &socketReader{conn: conn, session: true}
	request, err := json.Marshal(map[string]any{"id": 1, "subscribe": map[string]any{"channels": channels, "since": since}})
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, request)
	}
	for err == nil && r.position == "" {
		err = r.read(ctx)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// read takes in one frame.
func (r *socketReader) read(ctx context.Context) error {
	kind, text, err := r.conn.Read(ctx)
	if err != nil {
		if r.ended && websocket.CloseStatus(err) == websocket.StatusServiceRestart {
			return fmt.Errorf("%w: %w", ErrRestarting, err)
		}
		return err
	}
	if kind != websocket.MessageText {
		return fmt.Errorf("a %v frame", kind)
	}
	var f socketFrame
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("frame %.100q: %w", text, err)
	}
	switch {
	case f.Error != nil:
		return refusalOf(f.Error.Code, f.Error.Detail)
	case f.Reconnect != nil:
		r.ended = true
	case f.Subscribed != nil:
		r.position = f.Subscribed.Position
	case f.Position != "":
		r.position = f.Position
	case f.Message != nil && r.session:
		message, err := f.Message.Decode()
		if err != nil {
			return err
		}
		r.pending = append(r.pending, Event{Message: message})
	default:
		e, err := decodeFrame(string(text))
		if err != nil {
			return err
		}
		r.pending = append(r.pending, e)
	}
	return nil
}

func (r *socketReader) Next(ctx context.Context) (Event, error) {
	for len(r.pending) == 0 {
		if err := r.read(ctx); err != nil {
			return Event{}, err
		}
	}
	e := r.pending[0]
	r.pending = r.pending[1:]
	if e.Message != nil {
		r.position = e.Message.Position.String()
	}
	return e, nil
}

func (r *socketReader) Position() string { return r.position }

func (r *socketReader) Close() { r.conn.CloseNow() }
