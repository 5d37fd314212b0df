package client

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
)

// Defaults of Options.
const (
	DefaultMaxMessageBytes = 8 << 20
	DefaultMinBackoff      = 250 * time.Millisecond
	DefaultMaxBackoff      = 30 * time.Second
	DefaultRetryFor        = time.Minute
	DefaultIdleTimeout     = 45 * time.Second
)

// Options of a Client. The zero value works.
type Options struct {
	// HTTPClient makes the connections. Nil: http.DefaultClient. Its Timeout bounds single answers, not streams.
	HTTPClient *http.Client
	// Token is sent as Authorization: Bearer (RFC 6750 §2.1). Empty: nothing is sent.
	Token string
	// MaxMessageBytes is the most bytes of one message as it travels, the JSON around it included; a page of
	// messages may have four times as many. A message that is bigger ends its stream with todoke.CodeTooLarge. 0: 8 MiB,
	// enough for 1 MiB of any data.
	MaxMessageBytes int
	// MinBackoff and MaxBackoff bound the wait before another attempt: it is random, between 0 and a limit that begins
	// at MinBackoff and doubles up to MaxBackoff. 0: 250 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// RetryFor is how long Publish and History begin further attempts, each of at most 30 s. 0: 1 minute. It should stay well below the server's
	// idempotency window (5 minutes by default), after which a repeated publish would append again.
	RetryFor time.Duration
	// IdleTimeout is how long a stream or session may bring nothing, keep-alives included, before it counts as
	// dead. 0: 45 s, three keep-alives.
	IdleTimeout time.Duration
	// Logger is told of cuts and further attempts, at level Info. Nil: nothing is logged.
	Logger *slog.Logger
}

// A Client talks to one todoke server. It may be used by many goroutines, and needs no closing.
type Client struct {
	base    string // without a slash at its end
	http    *http.Client
	streams *http.Client // http without its Timeout
	token   string
	max     int
	idle    time.Duration
	retry   time.Duration
	backoff backoff
	log     *slog.Logger
}

// New makes a client of the server at baseURL, "https://example.org" or "http://localhost:7070/behind/a/prefix".
// It does not connect. The error, for a URL or option that cannot be meant, has todoke.CodeInvalidParameter.
func New(baseURL string, o Options) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, invalid("url", "%q is not a URL; write something like http://localhost:7070", baseURL)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, invalid("url", "%q: it takes http:// or https://, a host, and no query; like http://localhost:7070", u.Redacted())
	}
	if u.User != nil {
		return nil, invalid("url", "it has a user or password, which todoke does not take; give a token instead")
	}
	c := &Client{
		base:    strings.TrimRight(u.String(), "/"),
		http:    publishesOnce(cmp.Or(o.HTTPClient, http.DefaultClient)),
		token:   o.Token,
		max:     cmp.Or(o.MaxMessageBytes, DefaultMaxMessageBytes),
		idle:    cmp.Or(o.IdleTimeout, DefaultIdleTimeout),
		retry:   cmp.Or(o.RetryFor, DefaultRetryFor),
		backoff: backoff{min: cmp.Or(o.MinBackoff, DefaultMinBackoff), max: cmp.Or(o.MaxBackoff, DefaultMaxBackoff)},
		log:     cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
	}
	if c.max < 0 || c.idle < 0 || c.retry < 0 || c.backoff.min < 0 || c.backoff.max < c.backoff.min {
		return nil, invalid("options", "a limit or duration is negative, or MaxBackoff is less than MinBackoff")
	}
	endless := *c.http
	endless.Timeout = 0
	c.streams = &endless
	return c, nil
}

// header returns the headers that every request has.
func (c *Client) header() http.Header {
	h := http.Header{}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	return h
}

func invalid(field, format string, args ...any) error {
	return &todoke.Error{Code: todoke.CodeInvalidParameter, Field: field, Hint: fmt.Sprintf(format, args...)}
}
