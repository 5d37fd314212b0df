// Package httpapi is everything below /v1/ behind one handler: publishing, polling, long polling, SSE and WebSocket. One
// address, and the request says how it wants to be answered; docs/protocol.md has all of it.
//
//	POST      /v1/channels/{channel}/messages   publish the body
//	POST      /v1/publish                       publish an envelope, or a batch
//	GET, HEAD /v1/channels/{channel}/messages   read one channel, or a pattern
//	GET, HEAD /v1/messages?channel=a&channel=b  read many
//	GET       /v1/connect                       a session (WebSocket)
//	GET, HEAD /v1/nodes                         the nodes on the log
//
// An existing service puts it beside its own routes:
//
//	hub, err := todoke.New(todoke.Options{Authorizer: mine})
//	mux.Handle("/v1/", httpapi.New(hub, httpapi.Options{}))
//
// Everything goes through the hub's gate: the Authorizer decides, by what middleware in front put into the request's context. Whatever
// is wrong is answered with a problem document (package problem), also what is asked for below /v1/ and is not there.
//
// # Other people's pages
//
// Pages of other origins read nothing and publish nothing unless Options.AllowedOrigins names them. Browsers enforce the
// first (CORS); the second is refused here, because a browser sends a simple POST with its visitor's cookies wherever a
// page wants and asks nobody.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/poll"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
	"github.com/todoke-dev/todoke/transport/sse"
	"github.com/todoke-dev/todoke/transport/websocket"
)

// Defaults of Options.
const (
	DefaultMaxEnvelopeBytes = 8 << 20
	DefaultBodyTimeout      = time.Minute
)

// Options of the handler. The zero value works: only pages of the server's own origin get in, and only clients keep pages.
type Options struct {
	// AllowedOrigins are the origins ("https://app.example.com") whose pages may use the API besides the server's own, with
	// their visitor's cookies. "*" lets every page use it, by HTTP without cookies; but browsers send cookies with every
	// WebSocket, so where cookies say who somebody is, name the origins.
	AllowedOrigins []string
	// Public lets shared caches (a CDN) keep pages of messages. Set it only where everybody may read every channel.
	Public bool
	// MaxEnvelopeBytes is the most bytes of a body of /v1/publish, whatever it holds. 0: 8 MiB. A body that is one message is
	// bounded by the channel's MaxMessageBytes.
	MaxEnvelopeBytes int
	// BodyTimeout is how long a client may take to send a body. 0: 1 min.
	BodyTimeout time.Duration
	// SessionReadLimit is the most bytes of a session frame from a client. 0: 2 MiB.
	SessionReadLimit int64
	// KeepAlive is how long a stream may be idle before it sends its position. 0: 15 s.
	KeepAlive time.Duration
	// Retry is about how long an EventSource waits before it reconnects; each is told another time around it. 0: 2 s.
	Retry time.Duration
	// Pool serves streams and sessions over plain TCP without a goroutine for each, below an http.Server with evented.ConnContext. Nil: each is
	// the goroutine of its request.
	Pool *evented.Pool
	// Logger gets faults that clients are not told the cause of. Nil: slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxEnvelopeBytes <= 0 {
		o.MaxEnvelopeBytes = DefaultMaxEnvelopeBytes
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = DefaultBodyTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// api is the handler.
type api struct {
	hub     *todoke.Hub
	o       Options
	origins origins
	poll    *poll.Handler
	sse     *sse.Handler
	ws      *websocket.Handler
}

// New returns the handler of everything below /v1/. It keeps nothing but what it is given, and needs no closing.
func New(hub *todoke.Hub, o Options) http.Handler {
	o = o.withDefaults()
	return &api{
		hub: hub, o: o, origins: newOrigins(o.AllowedOrigins),
		poll: poll.NewHandler(hub, poll.Options{Public: o.Public, Logger: o.Logger}),
		sse:  sse.NewHandler(hub, sse.Options{KeepAlive: o.KeepAlive, Retry: o.Retry, Pool: o.Pool, Logger: o.Logger}),
		ws: websocket.NewHandler(hub, websocket.Options{
			AllowedOrigins: o.AllowedOrigins, ReadLimit: o.SessionReadLimit, KeepAlive: o.KeepAlive, Pool: o.Pool, Logger: o.Logger,
		}),
	}
}

// A route is an address: what may be done there. The method OPTIONS is answered for all.
type route struct {
	methods []string
	serve   http.HandlerFunc
}

// ServeHTTP answers a request below /v1/.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.origins.setHeaders(w, r)
	target, err := a.route(r)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	allow := strings.Join(append(target.methods, http.MethodOptions), ", ")
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", allow)
		a.origins.preflight(w, r, allow)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !target.takes(r.Method) {
		w.Header().Set("Allow", allow) // RFC 9110 §15.5.6
		a.refuse(w, r, &todoke.Error{Code: todoke.CodeMethodNotAllowed, Hint: "here one can " + allow})
		return
	}
	if err := a.origins.check(r); err != nil {
		a.refuse(w, r, err)
		return
	}
	target.serve(w, r)
}

func (t route) takes(method string) bool {
	for _, m := range t.methods {
		if m == method {
			return true
		}
	}
	return false
}

// route finds what r's path is the address of. It does not use http.ServeMux, which would redirect paths it does not like
// and answer in plain text.
func (a *api) route(r *http.Request) (route, error) {
	const get, head, post = http.MethodGet, http.MethodHead, http.MethodPost
	path := r.URL.EscapedPath() // a percent-encoded '/' is part of a segment
	switch path {
	case "/v1/messages":
		return route{[]string{get, head}, func(w http.ResponseWriter, r *http.Request) { a.read(w, r, nil) }}, nil
	case "/v1/publish":
		return route{[]string{post}, a.publishEnvelope}, nil
	case "/v1/connect":
		return route{[]string{get}, a.ws.ServeSession}, nil
	case "/v1/nodes":
		return route{[]string{get, head}, a.nodes}, nil
	}
	name, found := channelOf(path)
	if !found {
		return route{}, &todoke.Error{
			Code: todoke.CodeNotFound,
			Hint: "nothing lives at this address; there are /v1/channels/{channel}/messages, /v1/messages, /v1/publish, /v1/connect and /v1/nodes",
		}
	}
	channel, err := url.PathUnescape(name)
	if err != nil {
		return route{}, &todoke.Error{Code: todoke.CodeInvalidChannel, Field: "channel", Hint: "the path is not well encoded", Err: err}
	}
	return route{[]string{get, head, post}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == post {
			a.publish(w, r, channel)
			return
		}
		a.read(w, r, []string{channel})
	}}, nil
}

// channelOf takes the channel, still encoded, out of /v1/channels/{channel}/messages.
func channelOf(path string) (name string, found bool) {
	rest, found := strings.CutPrefix(path, "/v1/channels/")
	if !found {
		return "", false
	}
	name, rest, _ = strings.Cut(rest, "/")
	return name, rest == "messages"
}

// read answers in the way that the request asks for. channels are those of the path, or nil.
func (a *api) read(w http.ResponseWriter, r *http.Request, channels []string) {
	if request.IsWebSocket(r) {
		if read, err := request.ParseRead(r, channels); err != nil {
			a.refuse(w, r, err)
		} else {
			a.ws.ServeStream(w, r, read)
		}
		return
	}
	media, err := request.Accept(r, request.JSON, request.EventStream)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	read, err := request.ParseRead(r, channels)
	switch {
	case err != nil:
		a.refuse(w, r, err)
	case media == request.EventStream:
		a.sse.ServeRead(w, r, read)
	default:
		a.poll.ServeRead(w, r, read)
	}
}

// refuse answers with a problem document, and logs what it does not tell.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch todoke.AsError(err).Code {
	case todoke.CodeInternal, todoke.CodeUnavailable, todoke.CodeUnknown:
		a.o.Logger.ErrorContext(r.Context(), "a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	problem.Write(w, r, err)
}
