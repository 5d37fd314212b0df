package client

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// MaxPending is the most requests of a session that may wait for their answers at a time.
const MaxPending = 1024

// maxRequestBytes is the longest frame that a server takes (docs/protocol.md); a longer one would cost the session.
const maxRequestBytes = 2 << 20

// A Session is one connection with many subscriptions, which publishes as well (docs/protocol.md, Session). Its methods may
// be called from many goroutines, Next from one at a time.
//
// It does not reconnect: when the connection ends, every method returns why, and the program that wants to go on makes a new
// session and subscribes after the positions it has. Client.Publish and Client.Subscribe do all that by themselves.
//
// Events wait for Next in a queue. While it has 64, the session reads no further and the server holds back; only when
// an answer is waited for does it read on, so that a program may publish between two calls of Next. A program that goes on so until
// 4,096 events or four times MaxMessageBytes are waiting loses its session.
type Session struct {
	conn  *wsConn
	end   context.CancelFunc
	done  chan struct{} // closed when the reader has ended
	queue eventQueue

	mu      sync.Mutex
	lastID  uint32
	pending map[uint32]*request
	routes  routes
	failed  error // why it ended
}

// A request waits for its answer.
type request struct {
	channels []string // subscribe: those asked for
	answer   chan sessionFrame
}

// Subscribed is the answer to a Subscribe.
type Subscribed struct {
	ID       uint32 // names the subscription in the session's events
	Channels []string
	Position todoke.Position // where it starts
}

// Connect opens a session. ctx bounds the opening only; Close ends the session.
func (c *Client) Connect(ctx context.Context) (*Session, error) {
	return c.connect(ctx, context.WithoutCancel(ctx))
}

func (c *Client) connect(ctx, life context.Context) (*Session, error) {
	life, end := context.WithCancel(life)
	conn, err := c.dialConn(ctx, life, "/v1/connect")
	if err != nil {
		end()
		return nil, err
	}
	s := &Session{conn: conn, end: end, done: make(chan struct{}), pending: map[uint32]*request{}, queue: newEventQueue(c.max * pageSlack)}
	go s.read()
	return s, nil
}

// Subscribe follows channels and patterns from since on (zero: now). No channel may be taken in by two subscriptions
// of a session (todoke.CodeAlreadySubscribed). If ctx ends first, the subscription may have been made.
func (s *Session) Subscribe(ctx context.Context, channels []string, since todoke.Since) (Subscribed, error) {
	if err := validateChannels(channels); err != nil {
		return Subscribed{}, err
	}
	body := struct {
		Channels []string `json:"channels"`
		Since    string   `json:"since,omitempty"`
	}{Channels: channels}
	if since != todoke.Now() {
		body.Since = since.String()
	}
	id, f, err := s.ask(ctx, "subscribe", body, channels)
	if err != nil {
		return Subscribed{}, err
	}
	if f.Subscribed == nil {
		return Subscribed{}, unexpected("answer to a subscribe", nil)
	}
	return Subscribed{ID: id, Channels: f.Subscribed.Channels, Position: f.Subscribed.Position}, nil
}

// Unsubscribe ends the following of channels and patterns, named as they were given to Subscribe. Events of
// them that wait in the queue still come.
func (s *Session) Unsubscribe(ctx context.Context, channels ...string) error {
	_, f, err := s.ask(ctx, "unsubscribe", map[string][]string{"channels": channels}, nil)
	if err == nil && f.Unsubscribed == nil {
		return unexpected("answer to an unsubscribe", nil)
	}
	return err
}

// Publish publishes m and waits for its position. After an error with todoke.CodeUnknown the message may have been
// appended: repeat it, on another session or with Client.Publish, with an IdempotencyKey of your own.
func (s *Session) Publish(ctx context.Context, m todoke.Message) (todoke.Published, error) {
	if err := ready(&m); err != nil {
		return todoke.Published{}, err
	}
	_, f, err := s.ask(ctx, "publish", json.RawMessage(appendEnvelope(nil, &m)), nil)
	if err != nil {
		return todoke.Published{}, err
	}
	if f.Published == nil {
		return todoke.Published{}, unexpected("answer to a publish", nil)
	}
	return f.Published.Decode(), nil
}

// Ping asks the server for a sign of life.
func (s *Session) Ping(ctx context.Context) error {
	_, f, err := s.ask(ctx, "ping", struct{}{}, nil)
	if err == nil && f.Pong == nil {
		return unexpected("answer to a ping", nil)
	}
	return err
}

// Next returns the next event of any subscription. When the session has ended it returns what had arrived, and then why.
// ctx bounds the wait and leaves the session as it is.
func (s *Session) Next(ctx context.Context) (Event, error) {
	return s.queue.take(ctx, s.done, s.Err)
}

// Err returns why the session ended; nil while it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Close says good-bye to the server, which takes some seconds when it does not answer, and ends the session. It may be
// called again.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.failed == nil {
		s.failed = closed()
	}
	s.mu.Unlock()
	s.queue.close()
	s.conn.Conn.Close(websocket.StatusNormalClosure, "")
	s.stop()
	return nil
}

// stop ends the session without a word and waits for its reader.
func (s *Session) stop() {
	s.queue.close()
	s.end()
	s.conn.close()
	<-s.done
}

// ask sends a request and waits for its answer. The body is encoded without change where it is JSON already.
func (s *Session) ask(ctx context.Context, verb string, body any, channels []string) (uint32, sessionFrame, error) {
	raw, ok := body.(json.RawMessage) // json.Marshal would compact what is published
	if !ok {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return 0, sessionFrame{}, err
		}
	}
	if len(raw) > maxRequestBytes-64 {
		return 0, sessionFrame{}, &todoke.Error{Code: todoke.CodeTooLarge, Hint: "a frame of a session has at most 2 MiB; Client.Publish takes more"}
	}
	id, r, err := s.register(channels)
	if err != nil {
		return 0, sessionFrame{}, err
	}
	text := appendRequest(make([]byte, 0, len(raw)+64), id, verb, raw)
	s.queue.answerWanted(1)
	defer s.queue.answerWanted(-1)
	// RFC 6455 gives a frame no other end than its own: a write that ctx ends half-way takes the connection with it.
	if err := s.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return 0, sessionFrame{}, s.unanswered(verb, err)
	}
	select {
	case f := <-r.answer:
		return id, f, f.err()
	case <-ctx.Done():
		return 0, sessionFrame{}, s.unanswered(verb, context.Cause(ctx))
	case <-s.done:
		select {
		case f := <-r.answer: // it was the last thing that came
			return id, f, f.err()
		default:
			return 0, sessionFrame{}, s.unanswered(verb, s.Err())
		}
	}
}

// unanswered is the error of a request of which it is not known whether it was carried out.
func (s *Session) unanswered(verb string, cause error) error {
	if verb != "publish" {
		return cause
	}
	return &todoke.Error{Code: todoke.CodeUnknown, Hint: "no answer came; the message may have been appended", Err: cause}
}

// register gives a request its id.
func (s *Session) register(channels []string) (uint32, *request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return 0, nil, s.failed
	}
	if len(s.pending) >= MaxPending {
		return 0, nil, &todoke.Error{Code: todoke.CodeRateLimited, Hint: "too many requests of this session wait for their answers"}
	}
	r := &request{channels: slices.Clone(channels), answer: make(chan sessionFrame, 1)}
	for s.lastID++; s.lastID == 0 || s.pending[s.lastID] != nil || s.routes.has(s.lastID); {
		s.lastID++
	}
	s.pending[s.lastID] = r
	return s.lastID, r, nil
}

// appendRequest appends {"id":1,"verb":body}.
func appendRequest(dst []byte, id uint32, verb string, body []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendUint(dst, id)
	dst = append(dst, ',')
	dst = frame.AppendString(dst, verb)
	dst = append(dst, ':')
	dst = append(dst, body...)
	return append(dst, '}')
}
