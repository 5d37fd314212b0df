// Package framing is the server's side of RFC 6455's frames without any I/O, for connections that have neither a goroutine nor a
// buffer while they are idle: whoever owns the socket writes what the Append functions made, and hands what it read to a
// [Reader].
//
// # Reading
//
// A Reader takes the bytes as they come and returns complete events, one a call:
//
//	for {
//		event, rest, err := reader.Next(bytes, rules)
//		if err != nil || event.Op == 0 {
//			break // an *Error says with what the connection is to be closed; Op 0: everything is taken in
//		}
//		bytes = rest
//	}
//
// A frame that lies in the bytes as a whole is unmasked in place and returned as a slice of them: nothing is copied or allocated.
// What is cut is kept, as much of it as has come. The same bytes give the same events and the same error however they are cut.
// Text is UTF-8 when it is returned, and a byte that cannot belong to UTF-8 fails at once, whether or not its message is complete.
//
// The zero Reader is ready. It is three words large and holds nothing else between messages. Within one, it holds some
// 100 bytes and what has come of the message, never more than Rules.ReadLimit: a length that is only announced costs nothing.
//
// # Writing
//
// The Append functions append one whole frame, unmasked (RFC 6455 §5.1). [Begin] and [End] make a frame around a payload
// that is appended in place. Large messages are not split into fragments.
//
// # What it does not do
//
// It knows no handshake and no extensions: a reserved bit is a fault. It answers nothing by itself: a ping wants a pong, and a close
// a close, from the caller. It does not see time: a frame that never ends is the caller's to bound.
package framing
