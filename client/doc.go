// Package client publishes to a todoke server and reads from it, over any of its transports.
//
//	c, err := client.New("http://localhost:7070", client.Options{})
//	c.Publish(ctx, todoke.Message{Channel: "news", Data: []byte("hello")})
//
//	stream, err := c.Subscribe(ctx, client.SubscribeOptions{Channels: []string{"news"}})
//	for event, err := range stream.Events(ctx) { … event.Message … }
//
// # What is promised
//
//   - A [Stream] gives each message once, in the order of the log, across cuts of the connection and restarts
//     of the server, as far as the server keeps them; what it no longer keeps is told as a gap. It goes on
//     from [Stream.Position], which any other stream, on any transport, can go on from as well.
//   - Once [Client.Subscribe] has returned, what is published later is not missed, even when the connection
//     is cut before the first message: the position at which the stream began is known by then.
//   - [Client.Publish] repeats itself after cuts and overload, and appends once: it sends an idempotency key,
//     one of its own if the message has none.
//   - Waiting between attempts doubles up to [Options.MaxBackoff], with full jitter; a delay that the
//     server asks for (SSE retry, reconnect, Retry-After) is honoured. What trying again does not cure (a wrong
//     name, no permission) is returned.
//
// # What is not
//
// A stream queues next to nothing (a page of a poll, some dozen events of a session): it reads from the connection when its Next is called, so a program that is slow
// holds back its own connection, and is caught up by the server. A context that ends while Next waits cuts
// the connection; the following Next connects again and loses nothing. A [Session] is one connection and does
// not reconnect; a stream on [Session] transport does.
//
// Errors from the server are of type [todoke.Error]: errors.Is(err, todoke.CodeForbidden).
package client
