// Package evented is the link of the many: a plain TCP connection that has left net/http after the handshake and lives without a
// goroutine and without a buffer while nothing happens. A transport embeds a [Link], says what its frames look like, and is told what
// happens; the way from the log to the socket is here, once for all of them.
//
// Everything about a link happens at its worker's turn (package reactor), one thing after the other, so a transport's link needs no
// locks; it must not block there either. What waits, an engine that is asked for history, is done on a goroutine, and the link
// goes on afterwards.
//
// A link holds no queue. What its peer does not take stays in the log: the subscription's cursor is set back behind the frame that was
// cut, the rest of that frame is kept, and the link goes on when the socket has room. A peer that takes nothing for
// Options.WriteTimeout is cut.
//
// [Pool.Drain] and [Pool.Close] are what http.Server.Shutdown does not do for connections that were hijacked. Embed a pool only where
// both are called. TLS, HTTP/2 and connections of other kinds cannot be detached: [Pool.Attach] then fails with errors.ErrUnsupported, and
// the transport serves them on the goroutine of their request.
package evented
