package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// Publish implements todoke.Engine. The whole batch is one call of a function, and two if some of its idempotency keys were used.
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
	p := newPublication(e, batch, results)
	for len(p.live) > 0 {
		again, err := p.send(ctx)
		if err != nil {
			return e.publishFault(ctx, err)
		}
		if !again {
			break
		}
	}
	p.repeat()
	return nil
}

// A publication is one call of Publish.
type publication struct {
	e       *Engine
	batch   []*todoke.Message
	results []todoke.Result
	live    []int       // the messages that are to be appended
	repeats map[int]int // messages whose key another one of the batch has: which
	keyed   bool
}

func newPublication(e *Engine, batch []*todoke.Message, results []todoke.Result) *publication {
	p := &publication{e: e, batch: batch, results: results, live: make([]int, 0, len(batch))}
	type key struct{ channel, key string }
	var first map[key]int
	for i, m := range batch {
		if m.IdempotencyKey != "" && e.options.IdempotencyWindow > 0 {
			p.keyed = true
			if first == nil {
				first, p.repeats = map[key]int{}, map[int]int{}
			}
			k := key{m.Channel, m.IdempotencyKey}
			if earlier, found := first[k]; found {
				p.repeats[i] = earlier
				continue
			}
			first[k] = i
		}
		p.live = append(p.live, i)
	}
	return p
}

// send appends the live messages. If keys of some were used before, nothing is appended, those are no longer live, and it is to
// be called again.
func (p *publication) send(ctx context.Context) (again bool, err error) {
	args := p.args()
	var answer []int64
	err = p.e.again(ctx, func() error {
		h, _ := p.e.known()
		args[0] = h.epoch
		var err error
		answer, err = p.e.client.Do(ctx, p.e.lib.call(p.e.client, "publish", p.e.key("meta"), args...)).AsIntSlice()
		return err
	})
	if err == nil && (len(answer) < 2 || answer[0] < 0 && len(answer)%3 != 2) {
		err = errMalformed
	}
	if err != nil {
		return false, err
	}
	epoch := args[0]
	if answer[0] < 0 {
		return true, p.duplicates(epoch, answer[2:])
	}
	p.acknowledge(epoch, todoke.Offset(answer[0]), time.UnixMicro(answer[1]))
	return false, nil
}

// duplicates takes over the first results of keys that were used: three numbers each, of which the first counts live messages.
func (p *publication) duplicates(epoch string, found []int64) error {
	used := map[int]bool{}
	for ; len(found) > 0; found = found[3:] {
		if found[0] < 1 || found[0] > int64(len(p.live)) {
			return errMalformed
		}
		i := p.live[found[0]-1]
		used[i] = true
		p.results[i] = todoke.Result{
			Position:  todoke.Position{Epoch: epoch, Offset: todoke.Offset(found[1])},
			Time:      time.UnixMicro(found[2]),
			Duplicate: true,
		}
	}
	live := make([]int, 0, len(p.live))
	for _, i := range p.live {
		if !used[i] {
			live = append(live, i)
		}
	}
	if len(live) == len(p.live) {
		return errors.New("the functions in Redis told of no duplicate")
	}
	p.live = live
	return nil
}

// acknowledge gives the live messages the offsets up to head.
func (p *publication) acknowledge(epoch string, head todoke.Offset, now time.Time) {
	offset := head - todoke.Offset(len(p.live))
	for _, i := range p.live {
		offset++
		m := p.batch[i]
		m.Position, m.Time, m.IdempotencyKey = todoke.Position{Epoch: epoch, Offset: offset}, now, ""
		p.results[i] = todoke.Result{Position: m.Position, Time: now}
	}
	p.e.saw(epoch, head)
}

// repeat gives messages whose key another one of the batch has that one's result.
func (p *publication) repeat() {
	for i, first := range p.repeats {
		p.results[i] = p.results[first]
		p.results[i].Duplicate = true
	}
}

// args are the arguments of the function publish; the first, the epoch, is left to be filled in.
func (p *publication) args() []string {
	o := p.e.options
	kinds := newKinds(p.e.retention)
	sections := p.sections(kinds)
	args := make([]string, 0, 16+3*len(p.live)+len(sections))
	args = append(args, "", strconv.FormatInt(o.IdempotencyWindow.Milliseconds(), 10), strconv.Itoa(o.LogMessages), strconv.Itoa(o.LogBytes))
	args = kinds.appendTo(args)
	args = p.appendKeys(args)
	return append(args, sections...)
}

// appendKeys adds the number of keys, and for each its channel, itself, and which live message it is of.
func (p *publication) appendKeys(args []string) []string {
	if !p.keyed {
		return append(args, "0")
	}
	place, count := len(args), 0
	args = append(args, "")
	for number, i := range p.live {
		if m := p.batch[i]; m.IdempotencyKey != "" {
			args = append(args, m.Channel, m.IdempotencyKey, strconv.Itoa(number+1))
			count++
		}
	}
	args[place] = strconv.Itoa(count)
	return args
}

// Bounds of a section, so that no entry is too large to be read.
const (
	sectionMessages = 256
	sectionBytes    = 256 << 10
)

// sections puts the live messages together by channel, section by section, as the function publish takes them.
func (p *publication) sections(kinds *kinds) (args []string) {
	for rest := p.live; len(rest) > 0; {
		n, size := 0, 0
		for n < len(rest) && n < sectionMessages && size < sectionBytes {
			size += sizeOf(p.batch[rest[n]])
			n++
		}
		args = p.appendSection(args, rest[:n], kinds)
		rest = rest[n:]
	}
	return args
}

// A group is the messages of one channel in a section.
type group struct {
	channel string
	packed  []byte
	count   int
	back    int           // of the last
	ttl     time.Duration // the shortest; 0: none
}

func (p *publication) appendSection(args []string, section []int, kinds *kinds) []string {
	groups := make([]group, 0, min(len(section), 8))
	places := make(map[string]int, min(len(section), 8))
	for number, i := range section {
		m := p.batch[i]
		place, found := places[m.Channel]
		if !found {
			place = len(groups)
			places[m.Channel] = place
			groups = append(groups, group{channel: m.Channel, packed: make([]byte, 0, sizeOf(m))})
		}
		g := &groups[place]
		g.back = len(section) - 1 - number
		g.packed = appendFrame(g.packed, g.back, m)
		g.count++
		if m.TTL > 0 && (g.ttl == 0 || m.TTL < g.ttl) {
			g.ttl = m.TTL
		}
	}
	args = append(args, strconv.Itoa(len(section)), strconv.Itoa(len(groups)))
	for _, g := range groups {
		args = append(args, g.channel, rueidis.BinaryString(g.packed), g.numbers(kinds.number(g.channel)))
	}
	return args
}
