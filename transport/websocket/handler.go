package websocket

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
)

// Options of a Handler. The zero value works, and lets in only pages of the same origin.
type Options struct {
	// AllowedOrigins are the origins whose pages may connect besides the server's own: "https://app.example.com", or
	// without a scheme "app.example.com:8443". "*" lets every web page connect with its visitor's cookies: name the
	// origins instead wherever you use cookies. Clients that send no Origin, which browsers always do, are let in.
	AllowedOrigins []string
	// ReadLimit is the most bytes of one message from the client, in a session. 0: 2 MiB.
	ReadLimit int64
	// KeepAlive is how often a ping is sent, and the position where it moved. 0: 15 s.
	KeepAlive time.Duration
	// WriteTimeout is how long a peer may take for 64 KiB, or for less where less is to be written. 0: 10 s. Links of the pool have the
	// pool's.
	WriteTimeout time.Duration
	// Pool serves the WebSockets over plain TCP without a goroutine for each, below an http.Server with evented.ConnContext. Nil: each has
	// goroutines.
	Pool *evented.Pool
	// Logger gets faults that clients are not told the cause of. Nil: slog.Default().
	Logger *slog.Logger
}

// Defaults of Options.
const (
	DefaultReadLimit    = 2 << 20
	DefaultKeepAlive    = 15 * time.Second
	DefaultWriteTimeout = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.ReadLimit <= 0 {
		o.ReadLimit = DefaultReadLimit
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// A Handler serves streams and sessions of one hub to clients from outside: it asks the hub's gate. Its methods may be called
// from many goroutines. Each call lasts as long as the connection, or until the pool has it.
type Handler struct {
	hub *todoke.Hub
	o   Options
	// quiet is a channel that nobody can guess and so nobody publishes to: a session without subscriptions follows
	// it to hear that the hub drains or is closed.
	quiet string
}

// NewHandler returns a handler for the hub.
func NewHandler(hub *todoke.Hub, o Options) *Handler {
	return &Handler{hub: hub, o: o.withDefaults(), quiet: "todoke:" + rand.Text()}
}

// ServeStream answers r with a receive-only stream of what read asks for. What is wrong before the upgrade (permission,
// origin, handshake) is answered with a problem document.
func (h *Handler) ServeStream(w http.ResponseWriter, r *http.Request, read request.Read) {
	h.serveStream(w, r, read, h.hub.Gate())
}

// ServeSession answers r with a session. Permission is asked for each request in it, with r's context.
func (h *Handler) ServeSession(w http.ResponseWriter, r *http.Request) {
	if err := h.checkHandshake(w, r); err != nil {
		h.refuse(w, r, err)
		return
	}
	quiet, err := h.hub.Subscribe(r.Context(), []string{h.quiet}, todoke.Now())
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if h.detachable(r) {
		s := newPooledSession(h, r, quiet)
		if w, err = h.detach(w, r, &s.Link, quiet, s.start); w == nil {
			if err != nil {
				quiet.Close()
			}
			return
		}
	}
	defer quiet.Close()
	l, err := h.accept(w, r)
	if err != nil {
		h.o.Logger.DebugContext(r.Context(), "the WebSocket handshake failed", "error", err)
		return
	}
	h.serveSession(r.Context(), l, quiet)
}

// Serve answers r with a receive-only stream of channels and patterns, from a handler of one's own. The handler has
// decided that this client may read them: nobody else is asked. since= and Last-Event-ID are r's. Options are the defaults;
// for others, or for clients that the hub's Authorizer is to judge, make a Handler.
func Serve(w http.ResponseWriter, r *http.Request, hub *todoke.Hub, channels ...string) {
	h := &Handler{hub: hub, o: Options{}.withDefaults()}
	read, err := request.ParseRead(withoutChannel(r), append([]string{}, channels...)) // never nil: the client has no choice
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.serveStream(w, r, read, hub)
}

// withoutChannel returns r without the query's channel=, which in somebody's own handler means what that handler makes of it.
func withoutChannel(r *http.Request) *http.Request {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !query.Has("channel") {
		return r
	}
	query.Del("channel")
	copied, u := *r, *r.URL
	u.RawQuery = query.Encode()
	copied.URL = &u
	return &copied
}

// A subscriber makes subscriptions: the hub for those who may everything, its gate for all others.
type subscriber interface {
	Subscribe(ctx context.Context, channels []string, since todoke.Since) (*todoke.Subscription, error)
}

var (
	_ subscriber = (*todoke.Hub)(nil)
	_ subscriber = todoke.Gate{}
)

// refuse answers a request that is not upgraded.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if todoke.AsError(err).Code == todoke.CodeInternal {
		h.o.Logger.ErrorContext(r.Context(), "a WebSocket could not be opened", "error", err)
	}
	problem.Write(w, r, err)
}
