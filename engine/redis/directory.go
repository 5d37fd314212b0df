package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/broadcast"
)

// NewDirectory implements todoke.DirectoryMaker, over Redis' publish and subscribe: nothing is stored.
func (e *Engine) NewDirectory(node string, ttl time.Duration) (todoke.Directory, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	return broadcast.New(node, ttl, bus{e}, e.log)
}

var _ todoke.DirectoryMaker = (*Engine)(nil)

// A bus carries notes over a channel of Redis that is named like the keys.
type bus struct{ e *Engine }

func (b bus) channel() string { return b.e.key("nodes") }

// Send implements broadcast.Bus.
func (b bus) Send(ctx context.Context, note []byte) error {
	return b.e.bounded(ctx, func() error {
		return b.e.client.Do(ctx, b.e.client.B().Publish().Channel(b.channel()).Message(rueidis.BinaryString(note)).Build()).Error()
	})
}

// Receive implements broadcast.Bus. It ends with the connection, so that the next call asks for what was missed. What reads the
// connection, which publishers share, waits for nobody: notes that come too fast are lost, and asked for later.
func (b bus) Receive(ctx context.Context, receiving func(), take func([]byte)) error {
	begun, notes, done := make(chan struct{}, 1), make(chan string, 1024), make(chan struct{})
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		for {
			select {
			case <-begun:
				receiving()
			case note := <-notes:
				take([]byte(note))
			case <-done:
				return
			}
		}
	}()
	defer func() { close(done); <-taken }()
	hooked := rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) {
		select {
		case begun <- struct{}{}:
		default:
		}
	})
	return b.e.client.Receive(hooked, b.e.client.B().Subscribe().Channel(b.channel()).Build(), func(m rueidis.PubSubMessage) {
		select {
		case notes <- m.Message:
		default:
		}
	})
}
