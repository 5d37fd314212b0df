package nats

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/broadcast"
)

// directorySubject is where nodes tell each other of themselves. No stream has it: a prefix has no '~'.
const directorySubject = "~todoke."

// NewDirectory implements todoke.DirectoryMaker, over NATS' core: nothing is stored.
func (e *Engine) NewDirectory(node string, ttl time.Duration) (todoke.Directory, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	return broadcast.New(node, ttl, bus{e}, e.o.Logger)
}

var _ todoke.DirectoryMaker = (*Engine)(nil)

// A bus carries notes over the engine's connection.
type bus struct{ e *Engine }

func (b bus) subject() string { return directorySubject + b.e.o.Prefix }

// Send implements broadcast.Bus.
func (b bus) Send(_ context.Context, note []byte) error {
	return b.e.link.nc.Publish(b.subject(), note)
}

// Receive implements broadcast.Bus. It ends with the connection, so that the next call asks for what was missed. A node that is too slow
// for what comes loses notes, and asks for them later.
func (b bus) Receive(ctx context.Context, receiving func(), take func([]byte)) error {
	up, err := b.e.link.await(ctx)
	if err != nil {
		return err
	}
	notes := make(chan *nats.Msg, 1024)
	sub, err := b.e.link.nc.ChanSubscribe(b.subject(), notes)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // an error means that the connection is closed
	bound, cancel := context.WithTimeout(ctx, b.e.o.Timeout)
	defer cancel()
	if err := b.e.link.nc.FlushWithContext(bound); err != nil {
		return err
	}
	receiving()
	for {
		select {
		case n := <-notes:
			take(n.Data)
		case <-up.Done():
			return context.Cause(up)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
