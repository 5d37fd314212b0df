package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// format is the form of the keys in Redis.
const format = "1"

// A history is what a node knows of the log: which epoch it is in, and how far it has come. Terms number the epochs, so that an
// old copy is told from a new one.
type history struct {
	term  int64
	epoch string
	head  todoke.Offset
	base  todoke.Offset // the head when the epoch began
}

// follows reports whether a node that knows h may go on with what it finds without a new epoch.
func (h history) follows(found history) bool {
	return h.epoch == "" || found.term > h.term || found.term == h.term && found.epoch == h.epoch && found.head >= h.head
}

// newEpoch returns eight random letters and digits.
func newEpoch() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b[:])
}

// known returns what the node knows, and how often that was opened anew.
func (e *Engine) known() (h history, opened int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.history, e.opened
}

// saw takes note of a head that was reached in an epoch.
func (e *Engine) saw(epoch string, head todoke.Offset) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if epoch == e.history.epoch && head > e.history.head {
		e.history.head = head
	}
}

// observe holds what was found to what the node knew before it looked (what others did since may be newer); if it does not follow,
// the server has to be opened.
func (e *Engine) observe(before, found history) error {
	if !before.follows(found) {
		return errHistory
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if found.term >= e.history.term {
		e.take(found)
	}
	return nil
}

// take goes over to what was found. e.mu is held.
func (e *Engine) take(found history) {
	if e.history.epoch != "" && found.epoch != e.history.epoch {
		e.log.Warn("the log in Redis is another one than before; readers are told of a gap",
			"epoch", found.epoch, "head", found.head, "epoch_before", e.history.epoch, "head_before", e.history.head)
	}
	if found.epoch == e.history.epoch {
		found.head = max(found.head, e.history.head)
	}
	e.history = found
}

// open opens this run of the server, unless another call has done so since opened was told by known.
func (e *Engine) open(ctx context.Context, c commander, opened int) error {
	select {
	case e.opening <- struct{}{}:
		defer func() { <-e.opening }()
	case <-ctx.Done():
		return ctx.Err()
	}
	h, now := e.known()
	if now != opened {
		return nil
	}
	f, err := inspect(ctx, c)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return unavailable("the log's store is not fit", err)
	}
	synced := "0"
	if f.synced() {
		synced = "1"
	}
	command := func() rueidis.Completed {
		return e.lib.call(c, "open", e.key("meta"), format, e.options.Cluster, newEpoch(), synced,
			strconv.FormatInt(h.term, 10), h.epoch, strconv.FormatUint(uint64(h.head), 10))
	}
	answer, err := c.Do(ctx, command()).ToArray()
	if text, ok := reply(err); ok && isNotFound(text) {
		if err := e.lib.load(ctx, c); err != nil {
			return fmt.Errorf("loading the functions: %w", err)
		}
		answer, err = c.Do(ctx, command()).ToArray()
	}
	if err != nil {
		return openFault(err, e.options)
	}
	found, err := readHistory(answer)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.take(found)
	e.opened++
	e.notice(f)
	return nil
}

// notice takes over what the server says of itself, and warns of what is new. e.mu is held.
func (e *Engine) notice(f facts) {
	if f == e.facts {
		return
	}
	e.facts = f
	for _, text := range f.warnings() {
		if !e.warned[text] {
			e.warned[text] = true
			e.log.Warn("Redis can lose acknowledged messages: " + text)
		}
	}
}

// readHistory reads term, epoch, head and base, with which open and look begin their answers.
func readHistory(answer []rueidis.RedisMessage) (h history, err error) {
	if len(answer) < 4 {
		return h, errMalformed
	}
	term, err1 := answer[0].AsInt64()
	epoch, err2 := answer[1].ToString()
	head, err3 := answer[2].AsInt64()
	base, err4 := answer[3].AsInt64()
	return history{term, epoch, todoke.Offset(head), todoke.Offset(base)}, errors.Join(err1, err2, err3, err4)
}

// openFault says to a person what is in the way.
func openFault(err error, o Options) error {
	text, _ := reply(err)
	word, rest, _ := strings.Cut(text, " ")
	var problem string
	switch word {
	case "TODOKEFOREIGN":
		problem = fmt.Sprintf("the keys {%s}:… are not (or not all) todoke's: %s; choose another prefix, or remove them", o.Prefix, rest)
	case "TODOKEFORMAT":
		problem = fmt.Sprintf("the keys {%s}:… have the format %s and this todoke knows %s; use a version that knows it, or another prefix", o.Prefix, rest, format)
	case "TODOKECLUSTER":
		problem = fmt.Sprintf("the prefix %q belongs to the todoke cluster %q and this node to %q; give each cluster a prefix of its own", o.Prefix, rest, o.Cluster)
	default:
		return err
	}
	return unavailable("the log's store is not fit", errors.New("redis: "+problem))
}

// bounded is again that ends with ctx. The client does not look at ctx while it makes a connection, which takes long when the
// server is there and says nothing; attempt is then left behind, and ends with the connection's timeout.
func (e *Engine) bounded(ctx context.Context, attempt func() error) error {
	done := make(chan error, 1)
	go func() { done <- e.again(ctx, attempt) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// again calls attempt, and opens the server in between when that is what it needs.
func (e *Engine) again(ctx context.Context, attempt func() error) error {
	for try := 0; ; try++ {
		_, opened := e.known()
		err := attempt()
		if err == nil || !needsOpening(err) || try == 3 {
			return err
		}
		if err := e.open(ctx, e.client, opened); err != nil {
			return err
		}
	}
}
