package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

const (
	// quiet is after how long without messages a tail looks whether its history is still the log's.
	quiet = 500 * time.Millisecond
	// tailBytes is about how much a tail reads at a time.
	tailBytes = 2 << 20
)

// Tail implements todoke.Engine. It reads the log's stream over a connection of its own, and asks for more only when the sink
// has taken what came: a slow sink is behind, and gets a Hole when what it lacks is cut off. Each entry says
// its epoch and its offsets, so that none is applied in a wrong history or after a jump, whatever is at the
// other end of the connection.
func (e *Engine) Tail(ctx context.Context, from todoke.Position, sink todoke.Sink) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	if err := e.usable(); err != nil {
		return err
	}
	e.saw(from.Epoch, from.Offset) // whoever was told of it: a log that ends before is another one
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	connection, release, err := e.dedicate(both)
	if err != nil {
		return e.fault(ctx, "tail", err)
	}
	defer release()
	t := &tail{e: e, c: connection, sink: sink, log: e.key("log"), count: 16}
	return e.fault(ctx, "tail", t.run(both, from))
}

// dedicate takes a connection; release ends it, for a read may be under way on it. Making one does not look at ctx, see bounded.
func (e *Engine) dedicate(ctx context.Context) (_ rueidis.DedicatedClient, release func(), err error) {
	type lease struct {
		c    rueidis.DedicatedClient
		free func()
	}
	made := make(chan lease)
	end := func(l lease) { l.c.Close(); l.free() }
	go func() {
		var l lease
		l.c, l.free = e.client.Dedicate()
		select {
		case made <- l:
		case <-ctx.Done():
			end(l)
		}
	}()
	select {
	case l := <-made:
		return l.c, func() { end(l) }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// A tail is one call of Tail.
type tail struct {
	e    *Engine
	c    commander
	sink todoke.Sink
	log  string // the stream's key

	epoch string
	at    todoke.Offset // told of everything up to here
	count int64         // entries to ask for
}

func (t *tail) run(ctx context.Context, from todoke.Position) error {
	for first := true; ; first = false {
		h, err := t.look(ctx)
		if err != nil {
			return err
		}
		start := h.head
		switch {
		case from.Epoch == h.epoch && from.Offset <= h.head:
			start = from.Offset
		case !first:
			start = h.base // we saw the history change: nothing of the new one is left out
		}
		t.epoch, t.at = h.epoch, start
		t.sink.Epoch(h.epoch, start)
		t.sink.Advance(start)
		if err = t.follow(ctx); !needsOpening(err) {
			return err
		}
		from = todoke.Position{Epoch: t.epoch, Offset: t.at}
		if h, _ := t.e.known(); h.epoch == t.epoch {
			return err // nothing has changed yet; the next call finds out
		}
	}
}

// look returns the history as it is at the other end of the tail's own connection, and opens the server if it has to be. It is
// not over this connection that it is opened: that may lead to an old primary, which only has to be left.
func (t *tail) look(ctx context.Context) (history, error) {
	for try := 0; ; try++ {
		_, opened := t.e.known()
		g, _, err := t.e.glance(ctx, t.c, "")
		if err == nil || !needsOpening(err) || try == 3 {
			return g.history, err
		}
		if err := t.e.open(ctx, t.e.client, opened); err != nil {
			return history{}, err
		}
	}
}

// follow gives the sink what comes, until the connection or the history ends.
func (t *tail) follow(ctx context.Context) error {
	for {
		read := t.c.B().Xread().Count(t.count).Block(quiet.Milliseconds()).Streams().Key(t.log).Id(id(t.at)).Build()
		streams, err := t.c.Do(ctx, read).AsXReadSlices()
		switch {
		case rueidis.IsRedisNil(err):
			err = t.idle(ctx)
		case err == nil:
			err = t.apply(streams[t.log])
		}
		if err != nil {
			return err
		}
	}
}

// idle looks whether the quiet is one, and not that of a log which was lost or of which the rest was cut off.
func (t *tail) idle(ctx context.Context) error {
	g, _, err := t.e.glance(ctx, t.c, "")
	switch {
	case err != nil:
		return err
	case g.epoch != t.epoch:
		return errHistory
	case g.head <= t.at:
		return nil
	}
	// Only now: what came while we looked is no hole.
	rest, err := t.c.Do(ctx, t.c.B().Xrange().Key(t.log).Start("("+id(t.at)).End("+").Count(1).Build()).ToArray()
	if err == nil && len(rest) == 0 {
		t.sink.Hole(t.at+1, g.head)
		t.at = g.head
		t.sink.Advance(t.at)
	}
	return err
}

// apply gives entries of the log to the sink. A jump between them is a hole.
func (t *tail) apply(entries []rueidis.XRangeSlice) error {
	var batch []*todoke.Message
	bytes := 0
	flush := func() {
		if len(batch) > 0 {
			t.sink.Apply(batch)
			batch = nil
		}
	}
	for _, entry := range entries {
		last, messages, size, err := readLogEntry(entry, t.epoch)
		if err != nil {
			flush()
			return err
		}
		bytes += size
		if first := last - todoke.Offset(len(messages)) + 1; first > t.at+1 {
			flush()
			t.sink.Hole(t.at+1, first-1)
		}
		for _, m := range messages {
			if m.Position.Offset > t.at {
				batch = append(batch, m)
			}
		}
		t.at = last
	}
	flush()
	t.sink.Advance(t.at)
	t.e.saw(t.epoch, t.at)
	if len(entries) > 0 {
		t.count = max(1, min(1024, int64(tailBytes/(bytes/len(entries)+64))))
	}
	return nil
}

// readLogEntry reads an entry of the log: its epoch, its time, and each channel with its group. The messages of a section have
// successive offsets, and the last has the entry's.
func readLogEntry(entry rueidis.XRangeSlice, epoch string) (last todoke.Offset, messages []*todoke.Message, size int, err error) {
	last, err = readID(entry.ID)
	fields := entry.FieldValues
	if err != nil || len(fields) < 3 || fields[0].Field != "e" || fields[1].Field != "t" {
		return 0, nil, 0, errMalformed
	}
	if fields[0].Value != epoch {
		return 0, nil, 0, errHistory
	}
	micros, err := strconv.ParseInt(fields[1].Value, 10, 64)
	if err != nil {
		return 0, nil, 0, errMalformed
	}
	at := time.UnixMicro(micros)
	for _, f := range fields[2:] {
		size += len(f.Value)
		err := frames([]byte(f.Value), func(back todoke.Offset, message []byte) error {
			if back >= last {
				return errMalformed
			}
			m := &todoke.Message{Channel: f.Field, Time: at, Position: todoke.Position{Epoch: epoch, Offset: last - back}}
			messages = append(messages, m)
			return decode(message, m)
		})
		if err != nil {
			return 0, nil, 0, fmt.Errorf("entry %s of the log: %w", entry.ID, err)
		}
	}
	slices.SortFunc(messages, func(a, b *todoke.Message) int { return cmp.Compare(a.Position.Offset, b.Position.Offset) })
	for i, m := range messages {
		if m.Position.Offset != last-todoke.Offset(len(messages)-1-i) {
			return 0, nil, 0, fmt.Errorf("entry %s of the log: %w", entry.ID, errMalformed)
		}
	}
	return last, messages, size, nil
}
