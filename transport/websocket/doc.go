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
// [Handler.ServeSession] takes subscribe, unsubscribe, publish and ping. Each subscription has a cursor of its own and one
// goroutine, which ends with it or with the session; nothing of a session is queued. Whoever has something to write, an
// answer or a subscription, waits its turn at the link and writes at most 32 KiB (or one message) a turn, first come,
// first served: so a subscription that is always behind delays an answer by no more than one turn of each subscription. A
// request is read when the answer to the one before it was written, so a client that does not read is not read from.
//
// # Limits
//
// Two subscriptions of a session do not move together. A peer that takes nothing for Options.WriteTimeout, or says nothing,
// not even to a ping, for two to three times Options.KeepAlive, is cut, and resumes. Frames of a session are bounded by
// Options.ReadLimit, subscriptions by [MaxSubscriptions] and their names by [MaxSessionChannels]. While a write waits for a slow peer,
// its pings are answered late; one that stays unanswered for 5 s ends the link.
//
// # Why it ended
//
//	1001  the hub was closed, or the server is going away
//	1002  a frame without a mask, or otherwise not as RFC 6455 has it
//	1007  text that is not UTF-8, or the tenth session frame that could not be understood
//	1008  a data frame on a receive-only stream
//	1009  a session frame over the limit
//	1011  a fault of the server's; its log has the cause
//	1012  the server is restarting: {"reconnect":{"after":"2.140s"}} came before
//	1013  the store cannot be reached at present
//
// Compression (RFC 7692) is not offered: it would cost a window of 32 KiB or more per connection and one compression per reader,
// where the bytes of a message are encoded once and shared by all. WebSocket over HTTP/2 (RFC 8441) is not offered either.
package websocket
