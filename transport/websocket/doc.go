// Package websocket puts subscriptions on WebSocket (RFC 6455), in two ways: a receive-only stream, in which there is
// nothing to say and no protocol to learn, and a session, in which one connection holds many subscriptions and publishes.
// docs/protocol.md has every frame of both.
//
// # The stream
//
// [Handler.ServeStream] sends one message object per text frame. The reader's position travels in {"position":"…"}, first of
// all and again when it moved while the stream was idle, and in the id of every message: with any of them, as since=, a
// reader goes on where it was, here or on another transport. A data frame from the client ends the stream with 1008.
//
// # The session
//
// [Handler.ServeSession] takes subscribe, unsubscribe, publish and ping. Each subscription has a cursor of its own, and they take turns:
// one that is always behind delays neither an answer nor the others by more than what was begun. Requests are carried out one
// after the other and answered in their order, and a client that does not take its answers is not read from.
//
// # Two kinds of link
//
// Clients cannot tell them apart. On goroutines (link.go, session.go), with a library that frames, a stream has two, and a session three and one
// for each subscription: behind TLS, behind middleware that puts a connection of its own in front, and where Options.Pool is not set. Over plain
// TCP and with a pool, the connection leaves net/http after its handshake and its handler returns (detach.go, socket.go): an idle stream
// then costs half a KiB, an idle session one, and the worker that follows its channels serves it. The pool's WriteTimeout is the
// link's, and the request's context does not end it; authorizers still see that context's values.
//
// On either kind nothing is queued. What a peer does not take lies in the log; a session keeps besides it what it was about to answer, at
// most some 32 KiB or one answer, and one pong. Requests of a session in a pool are carried out by a goroutine that lives as long as a burst
// of them, up to a millisecond or 32 KiB of answers, and which may wait for an authorizer or an engine; the worker does not.
// What is a session whatever carries it, its subscriptions and its requests, is a desk (desk.go).
//
// # Limits
//
// Two subscriptions of a session do not move together. A peer that takes nothing for the write timeout, or says nothing,
// not even to a ping, for two to three times Options.KeepAlive, is cut, and resumes. Frames of a session are bounded by
// Options.ReadLimit, subscriptions by [MaxSubscriptions] and their names by [MaxSessionChannels]. While a write waits for a slow peer,
// its pings are answered late: on goroutines one that stays unanswered for 5 s ends the link, in a pool only the newest is answered.
//
// # Why it ended
//
//	1001  the hub was closed, or the server is going away
//	1002  a frame without a mask, or otherwise not as RFC 6455 has it
//	1007  text (in a pool also a close's reason) that is not UTF-8, or the tenth session frame that could not be understood
//	1008  a data frame on a receive-only stream
//	1009  a session frame over the limit
//	1011  a fault of the server's; its log has the cause
//	1012  the server is restarting: {"reconnect":{"after":"2.140s"}} came before
//	1013  the store cannot be reached at present
//
// Compression (RFC 7692) is not offered: it would cost a window of 32 KiB or more per connection and one compression per reader,
// where the bytes of a message are encoded once and shared by all. WebSocket over HTTP/2 (RFC 8441) is not offered either.
package websocket
