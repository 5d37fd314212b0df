package client

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Transport is how a Stream reads. All bring the same messages; a position got on one goes on on any other.
type Transport string

// The transports.
const (
	// TransportAuto is SSE, and long polling from then on where events do not get through: behind a proxy that holds
	// them back, or where the answer is no event stream.
	TransportAuto      Transport = "auto"
	TransportPoll      Transport = "poll"      // a request every SubscribeOptions.PollInterval
	TransportLongPoll  Transport = "longpoll"  // requests that wait for the next message
	TransportSSE       Transport = "sse"       // Server-Sent Events
	TransportWebSocket Transport = "websocket" // a receive-only WebSocket
	TransportSession   Transport = "session"   // a session of its own
)

// DefaultPollInterval is how often TransportPoll asks.
const DefaultPollInterval = time.Second

// openTimeout is how long TransportAuto waits for the first bytes of an event stream before it takes the way there for
// one that holds events back.
const openTimeout = 10 * time.Second

// SubscribeOptions say what to read. Only Channels is required.
type SubscribeOptions struct {
	// Channels are the channels and patterns, 1 to todoke.MaxChannels.
	Channels []string
	// Since is where to start. Zero: now.
	Since todoke.Since
	// Transport is how to read. "": TransportAuto.
	Transport Transport
	// PollInterval is how long TransportPoll waits between two requests when there is nothing more. 0: 1 s.
	PollInterval time.Duration
}

// Subscribe opens a stream and waits until its beginning is known: what is published after it returned is not missed. It tries
// again, as Stream.Next does, until that succeeds, fails for good, or ctx ends; ctx has no part in the stream's
// later life. The stream holds a connection until Close.
func (c *Client) Subscribe(ctx context.Context, o SubscribeOptions) (*Stream, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s := &Stream{client: c, o: o, life: life, end: end, transport: o.Transport, page: mostOfPage}
	if o.Transport == TransportAuto {
		s.transport = TransportSSE
	}
	s.position, _ = o.Since.Position()
	if err := s.open(ctx); err != nil {
		s.cut()
		end()
		return nil, err
	}
	return s, nil
}

func (o SubscribeOptions) resolve() (SubscribeOptions, error) {
	if err := validateChannels(o.Channels); err != nil {
		return o, err
	}
	if o.Since.IsZero() {
		o.Since = todoke.Now()
	}
	switch o.Transport {
	case "":
		o.Transport = TransportAuto
	case TransportAuto, TransportPoll, TransportLongPoll, TransportSSE, TransportWebSocket, TransportSession:
	default:
		return o, invalid("transport", "%q is none of auto, poll, longpoll, sse, websocket, session", o.Transport)
	}
	if o.PollInterval < 0 {
		return o, invalid("poll_interval", "it cannot be negative")
	}
	if o.PollInterval == 0 {
		o.PollInterval = DefaultPollInterval
	}
	return o, nil
}

// validateChannels checks what would break the request itself.
func validateChannels(channels []string) error {
	if len(channels) == 0 {
		return invalid("channels", "there is none; name at least one channel or pattern")
	}
	if len(channels) > todoke.MaxChannels {
		return &todoke.Error{Code: todoke.CodeTooManyChannels, Field: "channels", Hint: "at most 100 channels and patterns go into one subscription; a pattern can stand for many"}
	}
	for _, channel := range channels {
		if err := todoke.ValidatePattern(channel); err != nil {
			return err
		}
	}
	return nil
}

// dial makes a link that begins where s is; ctx bounds only the making of it.
func (s *Stream) dial(ctx context.Context) (link, error) {
	c, since := s.client, s.since()
	switch s.transport {
	case TransportPoll:
		return newPollLink(c, s.life, s.o, since, 0, &s.page), nil
	case TransportLongPoll:
		return newPollLink(c, s.life, s.o, since, longPollWait, &s.page), nil
	case TransportWebSocket:
		return c.dialWebSocket(ctx, s.life, s.o, since)
	case TransportSession:
		return c.dialSession(ctx, s.life, s.o, since)
	default:
		return c.dialSSE(ctx, s.life, s.o, since)
	}
}

// readPath is the address of the channels' messages.
func readPath(channels []string, query url.Values) string {
	path := "/v1/messages"
	if len(channels) == 1 {
		// A channel's bytes stand in a path as they are; '*' as well (RFC 3986 §3.3).
		path = "/v1/channels/" + channels[0] + "/messages"
	} else {
		query["channel"] = channels
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + strings.ReplaceAll(query.Encode(), "%3A", ":")
}

// streamQuery is how a stream is told where to start; without since it starts now.
func streamQuery(since todoke.Since) url.Values {
	query := url.Values{}
	if since != todoke.Now() {
		query.Set("since", since.String())
	}
	return query
}
