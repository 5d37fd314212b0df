package redis

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// An item is a message on its way to Redis: encoded, and what became of it.
type item struct {
	channel string
	key     string // of idempotency; "": none
	frame   []byte // see appendFrame
	ttl     time.Duration
	result  todoke.Result
}

func (e *Engine) newItem(m *todoke.Message) item {
	it := item{channel: m.Channel, frame: appendFrame(make([]byte, 0, frameHead+sizeOf(m)), m), ttl: m.TTL}
	if e.options.IdempotencyWindow > 0 {
		it.key = m.IdempotencyKey
	}
	return it
}

// A publication appends items: one call of the function, and another if some of the keys were used before.
type publication struct {
	e       *Engine
	live    []*item         // those that are to be appended
	repeats map[*item]*item // items whose key another one has: which
	keyed   bool
}

func newPublication(e *Engine, items []*item) *publication {
	p := &publication{e: e, live: make([]*item, 0, len(items))}
	type key struct{ channel, key string }
	var first map[key]*item
	for _, it := range items {
		if it.key != "" {
			if !p.keyed {
				p.keyed, first, p.repeats = true, map[key]*item{}, map[*item]*item{}
			}
			k := key{it.channel, it.key}
			if earlier := first[k]; earlier != nil {
				p.repeats[it] = earlier
				continue
			}
			first[k] = it
		}
		p.live = append(p.live, it)
	}
	return p
}

// run gives all items their results, or says why not: then nothing was appended, unless it is not known.
func (p *publication) run(ctx context.Context) error {
	for len(p.live) > 0 {
		again, err := p.send(ctx)
		if err != nil {
			return err
		}
		if !again {
			break
		}
	}
	for it, first := range p.repeats {
		it.result = first.result
		it.result.Duplicate = true
	}
	return nil
}

// send appends the live items. If keys of some were used before, nothing is appended, those are no longer live, and it is to be
// called again.
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

// duplicates takes over the first results of keys that were used: three numbers each, of which the first counts live items.
func (p *publication) duplicates(epoch string, found []int64) error {
	for ; len(found) > 0; found = found[3:] {
		if found[0] < 1 || found[0] > int64(len(p.live)) {
			return errMalformed
		}
		p.live[found[0]-1].result = todoke.Result{
			Position:  todoke.Position{Epoch: epoch, Offset: todoke.Offset(found[1])},
			Time:      time.UnixMicro(found[2]),
			Duplicate: true,
		}
	}
	before := len(p.live)
	p.live = slices.DeleteFunc(p.live, func(it *item) bool { return it.result.Duplicate })
	if len(p.live) == before {
		return errMalformed // or we would ask for ever
	}
	return nil
}

// acknowledge gives the live items the offsets up to head.
func (p *publication) acknowledge(epoch string, head todoke.Offset, now time.Time) {
	offset := head - todoke.Offset(len(p.live))
	for _, it := range p.live {
		offset++
		it.result = todoke.Result{Position: todoke.Position{Epoch: epoch, Offset: offset}, Time: now}
	}
	p.e.saw(epoch, head)
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

// appendKeys adds the number of keys, and for each its channel, itself, and which live item it is of.
func (p *publication) appendKeys(args []string) []string {
	place, count := len(args), 0
	args = append(args, "0")
	if !p.keyed {
		return args
	}
	for i, it := range p.live {
		if it.key != "" {
			args = append(args, it.channel, it.key, strconv.Itoa(i+1))
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

// sections puts the live items together by channel, section by section, as the function publish takes them.
func (p *publication) sections(kinds *kinds) (args []string) {
	for rest := p.live; len(rest) > 0; {
		n, size := 0, 0
		for n < len(rest) && n < sectionMessages && size < sectionBytes {
			size += len(rest[n].frame)
			n++
		}
		args = appendSection(args, rest[:n], kinds)
		rest = rest[n:]
	}
	return args
}

// A group is the items of one channel in a section.
type group struct {
	channel string
	packed  []byte
	count   int
	back    int           // of the last
	ttl     time.Duration // the shortest; 0: none
}

func appendSection(args []string, section []*item, kinds *kinds) []string {
	groups := make([]group, 0, min(len(section), 8))
	places := make(map[string]int, min(len(section), 8))
	for i, it := range section {
		place, found := places[it.channel]
		if !found {
			place = len(groups)
			places[it.channel] = place
			groups = append(groups, group{channel: it.channel})
		}
		g := &groups[place]
		g.count, g.back = g.count+1, len(section)-1-i
		setBack(it.frame, g.back)
		if g.packed == nil {
			g.packed = it.frame // most groups have one item
		} else {
			g.packed = append(g.packed, it.frame...)
		}
		if it.ttl > 0 && (g.ttl == 0 || it.ttl < g.ttl) {
			g.ttl = it.ttl
		}
	}
	args = append(args, strconv.Itoa(len(section)), strconv.Itoa(len(groups)))
	for _, g := range groups {
		args = append(args, g.channel, rueidis.BinaryString(g.packed), g.numbers(kinds.number(g.channel)))
	}
	return args
}
