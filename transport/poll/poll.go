// Package poll answers one request with one page of messages: polling, which reads what is there, and long polling, which
// waits for something to come. docs/protocol.md has the page.
//
// The reader's position travels in the page, as "position", and in the header Todoke-Position; sent back as since= it goes
// on where the page ends, here or on any other transport. Between two polls nothing is kept for a client.
//
// A page has at most request's limit of messages (100 unless told, at most 1,000) and about 4 MiB; "more" tells of a
// page that was cut. A long poll waits at most request.MaxWait. While it waits it holds a goroutine and a subscription.
//
// Caching (RFC 9111): a full page that was asked for by position and ends before the head never changes and says so; any
// other poll has a weak ETag and is to be revalidated, which costs a 304 without a body while no message came. A long poll's answer is
// not kept.
package poll

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
)

// PositionHeader repeats a page's position, on a 304 too.
const PositionHeader = "Todoke-Position"

// DefaultWriteTimeout is Options.WriteTimeout's default.
const DefaultWriteTimeout = 30 * time.Second

// Options of a Handler. The zero value works: only the client itself may keep pages.
type Options struct {
	// Public lets caches that many clients share (a CDN) keep pages and give them to anybody. Set it only where everybody may
	// read every channel.
	Public bool
	// WriteTimeout is how long a client may take to receive a page. 0: 30 s.
	WriteTimeout time.Duration
	// Logger gets faults that clients are not told the cause of. Nil: slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// A Handler answers polls of one hub for clients from outside: it asks the hub's gate.
type Handler struct {
	hub *todoke.Hub
	o   Options
}

// NewHandler returns a Handler of the hub.
func NewHandler(hub *todoke.Hub, o Options) *Handler { return &Handler{hub: hub, o: o.withDefaults()} }

// ServeRead answers r, a GET or a HEAD, with a page of what read asks for; with read.Wait, when there is something or the time is over. What is
// wrong is answered with a problem document.
func (h *Handler) ServeRead(w http.ResponseWriter, r *http.Request, read request.Read) {
	h.serve(w, r, read, h.hub.Gate())
}

// Serve answers r with a page of channels that the caller has chosen: nobody is asked for permission, because the caller
// has decided. since, limit, wait and the rest are the client's.
func Serve(w http.ResponseWriter, r *http.Request, hub *todoke.Hub, channels ...string) {
	h := NewHandler(hub, Options{})
	read, err := parse(w, r, append([]string{}, channels...)) // not nil: the client has no choice
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.serve(w, r, read, hub)
}

func parse(w http.ResponseWriter, r *http.Request, channels []string) (request.Read, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return request.Read{}, &todoke.Error{Code: todoke.CodeMethodNotAllowed, Hint: "messages are read with GET"}
	}
	if _, err := request.Accept(r, request.JSON); err != nil {
		return request.Read{}, err
	}
	return request.ParseRead(r, channels)
}

// reader is the hub or its gate.
type reader interface {
	Subscribe(ctx context.Context, channels []string, since todoke.Since) (*todoke.Subscription, error)
	History(ctx context.Context, q todoke.Query) (todoke.History, error)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, read request.Read, from reader) {
	// The server's own limits are made for short answers. What a ResponseWriter does not offer is done without.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Now().Add(read.Wait + h.o.WriteTimeout))

	h.setVary(w)
	answer, err := h.read(r, read, from)
	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		return // the client is gone
	case err != nil:
		h.refuse(w, r, err)
		return
	}
	_ = control.SetWriteDeadline(time.Now().Add(h.o.WriteTimeout))
	h.write(w, r, read, answer)
}

// An answer is a page and what its headers tell.
type answer struct {
	todoke.History
	waited     bool          // a long poll
	retryAfter time.Duration // the node is stopping
}

func (h *Handler) read(r *http.Request, read request.Read, from reader) (answer, error) {
	if read.Wait > 0 && r.Method != http.MethodHead {
		return wait(r.Context(), read, from)
	}
	if read.Wait > 0 && read.Since.IsZero() {
		read.Since = todoke.Now() // what GET would start from; a HEAD does not wait, for it could not say what came
	}
	page, err := from.History(r.Context(), todoke.Query{Channels: read.Channels, Since: read.Since, Limit: read.Limit})
	return answer{History: page, waited: read.Wait > 0}, err
}

// wait reads the first page that comes within read.Wait, or an empty one.
func wait(ctx context.Context, read request.Read, from reader) (answer, error) {
	sub, err := from.Subscribe(ctx, read.Channels, read.Since)
	if err != nil {
		return answer{}, err
	}
	defer sub.Close()
	deadline, cancel := context.WithTimeout(ctx, read.Wait)
	defer cancel()
	page := answer{waited: true}
	batch, err := sub.Next(deadline)
	if err != nil {
		return page, page.endEmpty(ctx, sub, err)
	}
	limit := read.Limit
	if limit == 0 {
		limit = todoke.DefaultHistoryLimit
	}
	bytes := page.add(batch)
	for page.More && len(page.Messages) < limit && bytes < todoke.MaxHistoryBytes {
		if batch, err = sub.Read(ctx); err != nil {
			break // what was read is whole; the next request meets the fault
		}
		bytes += page.add(batch)
	}
	page.cut(limit)
	return page, nil
}

// endEmpty makes a page without messages of a wait that ended: the time is over, or the node is stopping. Then too the
// client gets its position, without which one that began at "now" would lose what comes until it is back. The time may be a
// middleware's, shorter than the client's.
func (a *answer) endEmpty(ctx context.Context, sub *todoke.Subscription, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, todoke.CodeRestarting):
		a.retryAfter = max(todoke.AsError(err).RetryAfter, time.Second)
	default:
		return err
	}
	a.Position = sub.Position()
	return nil
}

// add appends a batch to the page and returns about how many bytes it has.
func (a *answer) add(b todoke.Batch) (bytes int) {
	a.Gaps = append(a.Gaps, b.Gaps...)
	a.Messages = append(a.Messages, b.Messages...)
	a.Position, a.More = b.Position, b.More
	for _, m := range b.Messages {
		bytes += len(m.Data)
	}
	return bytes
}

// cut shortens the page to limit messages. The position of any message is safe to resume from.
func (a *answer) cut(limit int) {
	if len(a.Messages) > limit {
		a.Messages = a.Messages[:limit]
		a.Position, a.More = a.Messages[limit-1].Position, true
	}
}

// refuse answers with a problem document, and logs what it does not tell.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.DeadlineExceeded) { // a middleware's: the store took too long for it
		err = &todoke.Error{Code: todoke.CodeUnavailable, Hint: "reading took too long; try again", Err: err}
	}
	switch todoke.AsError(err).Code {
	case todoke.CodeInternal, todoke.CodeUnavailable:
		h.o.Logger.ErrorContext(r.Context(), "a poll failed", "error", err)
	}
	problem.Write(w, r, err)
}
