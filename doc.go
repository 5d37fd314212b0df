// Package todoke delivers messages in real time: a backend publishes once, and every reader gets it,
// in order and without loss, over whatever it can hold.
//
// The server keeps one log. A channel is a filter over it, a subscription is a cursor into it, and a
// transport is only how the bytes after the cursor travel. This package is the log and the cursors; it
// needs nothing but the standard library. Packages below transport put it on HTTP polling, long polling,
// Server-Sent Events and WebSocket; transport/httpapi is all of them behind one handler.
//
// Most programs need three names: [New] makes a [Hub], [Hub.Publish] appends a [Message], and
// [Hub.Subscribe] gives a [Subscription], whose [Subscription.Next] returns what comes.
//
//	hub, err := todoke.New(todoke.Options{})
//	sub, err := hub.Subscribe(ctx, []string{"news"}, todoke.Now())
//	hub.Publish(ctx, todoke.Message{Channel: "news", Data: []byte("hello")})
//	batch, err := sub.Next(ctx) // batch.Messages[0].Text() == "hello"
//
// # What is promised
//
//   - Order. Messages have positions in one log; a subscription, of however many channels, gets them in that
//     order. A reader at a [Position] has everything of its channels up to it.
//   - Resume. A subscription that starts at [After] a position gets all that came later, each message once,
//     as far as it is retained; on any transport.
//   - Gaps. What is not retained any more is told by a [Gap], before what is left. Loss is never silent.
//   - Lag. A subscription holds no queue, only its cursor. A reader that is slow costs nobody anything: it
//     lags, is conflated where the namespace says so ([Conflation]), or gets a gap.
//   - Once. A publish repeated with the same idempotency key appends nothing and gives the first position.
//
// # What is not
//
// Two subscriptions do not move together: one may have seen a message that the other has not. Messages live
// as long as their namespace's [Retention], and with the memory engine no longer than the process.
// [Hub.Publish] and [Hub.Subscribe] are for the program that holds the hub and ask nobody for permission;
// what comes from outside goes through [Hub.Gate], which asks the [Authorizer].
package todoke
