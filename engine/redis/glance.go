package redis

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// A record is what the functions keep of a channel; library.lua says what the numbers are.
type record struct {
	n, bytes int64
	floor    todoke.Offset
	gone     todoke.Offset
}

// A glance is one look at the log: where it is, and the record of a channel, nil if there is none.
type glance struct {
	history
	now     int64 // the server's time, in microseconds
	record  *record
	horizon todoke.Offset
}

// An entry is a message in the stream of its channel. n counts the channel's messages from 1, before is how many bytes they had
// before it.
type entry struct {
	offset    todoke.Offset
	at        int64
	n, before int64
	message   []byte
}

// glance reads, and then looks at the log, and at a channel unless it is "". In this order, what was trimmed before the reading is
// in the record, and what is trimmed after it is judged to be lost although it was read. There is no transaction
// around it: Redis refuses those when it is out of memory.
func (e *Engine) glance(ctx context.Context, c commander, channel string, reads ...rueidis.Completed) (glance, []rueidis.RedisMessage, error) {
	before, _ := e.known()
	var names []string
	if channel != "" {
		names = []string{channel}
	}
	results := c.DoMulti(ctx, append(reads, e.lib.ask(c, "look", e.key("meta"), names...))...)
	answers := make([]rueidis.RedisMessage, len(results))
	for i, r := range results {
		var err error
		if answers[i], err = r.ToMessage(); err != nil && !rueidis.IsRedisNil(err) {
			return glance{}, nil, err
		}
	}
	last := len(answers) - 1
	g, err := readGlance(answers[last])
	if err != nil {
		return glance{}, nil, err
	}
	return g, answers[:last], e.observe(before, g.history)
}

func readGlance(m rueidis.RedisMessage) (g glance, err error) {
	answer, err := m.ToArray()
	if err != nil {
		return g, err
	}
	if g.history, err = readHistory(answer); err != nil {
		return g, err
	}
	if len(answer) < 5 {
		return g, errMalformed
	}
	if g.now, err = answer[4].AsInt64(); err != nil || len(answer) < 7 {
		return g, err
	}
	text, err1 := answer[5].AsBytes()
	horizon, err2 := answer[6].AsInt64()
	if err := errors.Join(err1, err2); err != nil {
		return g, err
	}
	g.horizon = todoke.Offset(horizon)
	if len(text) > 0 {
		g.record, err = readRecord(text)
	}
	return g, err
}

// readRecord reads eight numbers; we need the first four: n, bytes, floor, gone.
func readRecord(text []byte) (*record, error) {
	if len(text) != 8*8 {
		return nil, errMalformed
	}
	return &record{n: number(text, 0), bytes: number(text, 1), floor: todoke.Offset(number(text, 2)), gone: todoke.Offset(number(text, 3))}, nil
}

// entryHead is how many bytes stand before the group in an entry: four numbers.
const entryHead = 4 * 8

// number reads the i-th double of a text that Lua packed.
func number(text []byte, i int) int64 {
	return int64(math.Float64frombits(binary.LittleEndian.Uint64(text[8*i:])))
}

// readEntries reads the answer of XRANGE on a channel: entries, which hold one message or several.
func readEntries(m rueidis.RedisMessage) (stored [][]entry, err error) {
	list, err := m.ToArray()
	if err != nil {
		return nil, err
	}
	stored = make([][]entry, len(list))
	for i, item := range list {
		parts, err := item.ToArray()
		if err != nil || len(parts) != 2 {
			return nil, errMalformed
		}
		fields, err := parts[1].ToArray()
		if err != nil || len(fields) != 2 {
			return nil, errMalformed
		}
		text, err := fields[1].AsBytes()
		if err != nil {
			return nil, errMalformed
		}
		if stored[i], err = readEntry(text); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// readEntry reads the messages of one entry: time, number of the first, bytes before it, last offset of the section; then
// the group.
func readEntry(text []byte) (entries []entry, err error) {
	if len(text) < entryHead {
		return nil, errMalformed
	}
	one := entry{at: number(text, 0), n: number(text, 1), before: number(text, 2)}
	last := todoke.Offset(number(text, 3))
	err = frames(text[entryHead:], func(back todoke.Offset, message []byte) error {
		if back >= last {
			return errMalformed
		}
		one.offset, one.message = last-back, message
		entries = append(entries, one)
		one.n++
		one.before += int64(frameHead + len(message))
		return nil
	})
	return entries, err
}

// lastID is the id of the last entry of an answer that has some.
func lastID(m rueidis.RedisMessage) (string, error) {
	list, err := m.ToArray()
	if err != nil || len(list) == 0 {
		return "", errMalformed
	}
	parts, err := list[len(list)-1].ToArray()
	if err != nil || len(parts) == 0 {
		return "", errMalformed
	}
	return parts[0].ToString()
}

// readID reads the id of an entry, <offset>-0.
func readID(id string) (todoke.Offset, error) {
	digits, _, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(digits, 10, 63)
	return todoke.Offset(n), err
}

// decode makes the entry's message.
func (en entry) decode(channel, epoch string) (*todoke.Message, error) {
	m := &todoke.Message{Channel: channel, Position: todoke.Position{Epoch: epoch, Offset: en.offset}, Time: time.UnixMicro(en.at)}
	return m, decode(en.message, m)
}

// over reports whether the entry's TTL is over. It looks at nothing else of the message.
func (en entry) over(now int64) bool {
	if len(en.message) < 9 || en.message[0] != formTTL {
		return false
	}
	return now-en.at >= time.Duration(binary.LittleEndian.Uint64(en.message[1:])).Microseconds()
}

// A verdict says what is to be done with an entry.
type verdict int

const (
	kept    verdict = iota
	expired         // its TTL is over: neither given nor lost
	lost            // retention does not keep it
)

// judge is what trim in library.lua does too.
func (g glance) judge(en entry, l limits) verdict {
	outside := g.record.n-en.n >= int64(l.messages) || l.bytes >= 0 && g.record.bytes-en.before > int64(l.bytes)
	old := l.age >= 0 && g.now-en.at >= l.age.Microseconds()
	over := en.over(g.now)
	switch {
	case !outside && !old && !over:
		return kept
	case !over, outside && en.n > 1: // in the second case its own time was over, but that of those before it is not known
		return lost
	}
	return expired
}

// loss is what a reader of a range lost, when newest is the greatest offset found to be lost.
func (g glance) loss(r todoke.Range, newest todoke.Offset) todoke.Loss {
	floor := g.horizon
	if g.record != nil {
		newest, floor = max(newest, g.record.gone), g.record.floor
	} else {
		newest = 0 // with its state dropped, the horizon tells
	}
	switch {
	case r.After >= r.UpTo:
	case r.After < newest && newest <= r.UpTo:
		return todoke.Loss{Through: newest}
	case r.After < newest: // it lies beyond; whether others do not is not known
		return todoke.Loss{Through: r.UpTo, Possible: true}
	case r.After < floor:
		return todoke.Loss{Through: min(floor, r.UpTo), Possible: true}
	}
	return todoke.Loss{}
}
