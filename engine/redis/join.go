package redis

import (
	"context"
	"fmt"
	"sync"

	"github.com/todoke-dev/todoke"
)

// Bounds of what is joined into one call of the function. A batch that is larger goes alone.
const (
	joinMessages = 512
	joinBytes    = 1 << 20
	joinCalls    = 2 // under way at a time, so that Redis need not wait for us
)

// A joiner puts together what many publish at the same time: a call of the function costs as much as several messages. It holds
// nothing back: what is there goes when a call may be made.
type joiner struct {
	mu      sync.Mutex
	waiting []*call
	busy    int
}

// A call is one Publish on its way. What it has is its own: the caller may leave at any time.
type call struct {
	items []*item
	bytes int
	done  chan struct{} // closed when items have results, or err says why not
	err   error
}

// Publish implements todoke.Engine. The whole batch goes into one call of a function, with what others publish at the moment.
func (e *Engine) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := e.usable(); err != nil {
		return err
	}
	if len(batch) == 0 {
		return nil
	}
	c := &call{items: make([]*item, len(batch)), done: make(chan struct{})}
	items := make([]item, len(batch))
	for i, m := range batch {
		items[i] = e.newItem(m)
		c.items[i] = &items[i]
		c.bytes += len(items[i].frame)
	}
	if e.joiner.enter(c) {
		go e.send() // ends when nothing waits any more
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if e.joiner.leave(c) {
			return fmt.Errorf("publish: %w", ctx.Err())
		}
		return e.publishFault(ctx, ctx.Err())
	}
	if c.err != nil {
		return e.publishFault(ctx, c.err)
	}
	for i, m := range batch {
		results[i] = items[i].result
		if !results[i].Duplicate {
			m.Position, m.Time, m.IdempotencyKey = results[i].Position, results[i].Time, ""
		}
	}
	return nil
}

// enter puts c at the end; first says that the caller has to see to it that it is sent.
func (j *joiner) enter(c *call) (first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, c)
	if j.busy == joinCalls {
		return false
	}
	j.busy++
	return true
}

// leave takes c out, and reports whether it was still there: then nothing of it was sent.
func (j *joiner) leave(c *call) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, other := range j.waiting {
		if other == c {
			j.waiting = append(j.waiting[:i:i], j.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// next takes what goes together; none is the end.
func (j *joiner) next() (calls []*call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	messages, bytes, n := 0, 0, 0
	for _, c := range j.waiting {
		messages, bytes = messages+len(c.items), bytes+c.bytes
		if n > 0 && (messages > joinMessages || bytes > joinBytes) {
			break
		}
		n++
	}
	calls, j.waiting = j.waiting[:n:n], j.waiting[n:]
	if n == 0 {
		j.waiting = nil
		j.busy--
	}
	return calls
}

// send makes calls until nothing waits. They are not bound to the context of one publisher: it is others' call too. A server that
// says nothing is given up after the connection's timeout.
func (e *Engine) send() {
	for calls := e.joiner.next(); len(calls) > 0; calls = e.joiner.next() {
		var items []*item
		for _, c := range calls {
			items = append(items, c.items...)
		}
		err := errClosed()
		if !e.closed.Load() {
			err = newPublication(e, items).run(e.ctx)
		}
		for _, c := range calls {
			c.err = err
			close(c.done)
		}
	}
}
