package websocket

import (
	"context"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
)

const (
	// turnBytes is how much of a subscription's backlog is written before others have their turn.
	turnBytes = corkBytes
	// closeGrace is how long a peer has to answer a close.
	closeGrace = 3 * time.Second
	// silentTicks is how many keep-alives in a row may find that nothing was heard.
	silentTicks = 2
)

// A link is one WebSocket. Any goroutine may write; one reads.
type link struct {
	ws   *coder.Conn
	wire *wire
	// turn, of capacity 1, is held by who writes data frames. Senders on a channel are served in the order they
	// came, so nobody waits for more than one turn of each of the others.
	turn chan struct{}

	// Owned by the goroutine that calls keepAlive.
	silent int
	pong   chan struct{} // closed when the last ping was answered or the link ended; nil: none was sent
}

func newLink(ws *coder.Conn, w *wire) *link {
	return &link{ws: ws, wire: w, turn: make(chan struct{}, 1)}
}

// Writes and reads get no context: the library would start a timer for each. Their time-outs are the wire's, and closing the
// link ends them.

func (l *link) begin() {
	l.turn <- struct{}{}
	l.wire.cork()
}

func (l *link) finish() error {
	err := l.wire.uncork()
	<-l.turn
	return err
}

// write sends one text frame.
func (l *link) write(text []byte) error {
	l.begin()
	err := l.ws.Write(context.Background(), coder.MessageText, text)
	if flushed := l.finish(); err == nil {
		err = flushed
	}
	return l.lost(err)
}

// writeAll sends a text frame for each of frames, and gives others a turn in between.
func (l *link) writeAll(frames todoke.Frames) error {
	var err error
	written := 0
	l.begin()
	for text := range frames.All() {
		if written >= turnBytes {
			if err = l.finish(); err != nil {
				return l.lost(err)
			}
			l.begin()
			written = 0
		}
		if err = l.ws.Write(context.Background(), coder.MessageText, text); err != nil {
			break
		}
		written += len(text)
	}
	if flushed := l.finish(); err == nil {
		err = flushed
	}
	return l.lost(err)
}

// keepAlive is called every Options.KeepAlive. It sends a ping, and fails when nothing was heard from the peer since the
// last calls.
func (l *link) keepAlive() error {
	if l.wire.heard.Swap(false) {
		l.silent = 0
	} else if l.silent++; l.silent >= silentTicks {
		return &ending{reason: "nothing was heard from the peer"}
	}
	if l.pong != nil {
		select {
		case <-l.pong:
		default:
			return nil // the last ping is still on its way
		}
	}
	pong := make(chan struct{})
	l.pong = pong
	go func() { // ends with the pong, or with the link
		defer close(pong)
		_ = l.ws.Ping(context.Background())
	}()
	return nil
}

// cut ends the link without a word; reads and writes under way fail.
func (l *link) cut() { _ = l.ws.CloseNow() }

// close ends the link with a close frame and waits for the peer's, for a moment.
func (l *link) close(code coder.StatusCode, reason string) {
	l.wire.bid(closeGrace)
	_ = l.ws.Close(code, reason)
}
