package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// mostRead bounds what one command brings: messages, and bytes as far as they can be foreseen.
const (
	mostRead      = 4096
	mostReadBytes = 4 << 20
)

// Read implements todoke.Engine. What retention no longer keeps may still be in Redis; each read judges by the limits, at
// one moment of the server, which is a primary that was opened: its page is never that of a replica that lags.
func (e *Engine) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if err := ctx.Err(); err != nil {
		return todoke.Page{}, fmt.Errorf("read %s: %w", r.Channel, err)
	}
	if err := e.usable(); err != nil {
		return todoke.Page{}, err
	}
	var page todoke.Page
	if r.After >= r.UpTo {
		return page, nil
	}
	r.Limit = max(r.Limit, 1)
	err := e.bounded(ctx, func() (err error) {
		p := &pager{e: e, r: r, limits: limitsOf(e.retention(r.Channel))}
		if r.Newest {
			page, err = p.newest(ctx)
		} else {
			page, err = p.oldest(ctx)
		}
		return err
	})
	if err != nil {
		return todoke.Page{}, e.fault(ctx, "read "+r.Channel, err)
	}
	return page, nil
}

// A pager makes one page, in as many steps as it takes. Between two steps the channel may have been trimmed; what was gathered
// before stays right, and a page ends where it cannot go on without a gap.
type pager struct {
	e      *Engine
	r      todoke.Range
	limits limits

	page  todoke.Page
	bytes int
	last  int64         // n of the entry that was looked at last; 0: nothing is gathered yet
	lost  todoke.Offset // the greatest offset found to be lost
}

// add puts a message into the page, or says that it is full.
func (p *pager) add(g glance, en entry) (full bool, err error) {
	m, err := en.decode(p.r.Channel, g.epoch)
	if err != nil {
		return false, fmt.Errorf("message %d of %s: %w", en.offset, p.r.Channel, err)
	}
	p.bytes += len(m.Data)
	if len(p.page.Messages) >= p.r.Limit || p.r.MaxBytes > 0 && p.bytes > p.r.MaxBytes && len(p.page.Messages) > 0 {
		p.page.More = true
		return true, nil
	}
	p.page.Messages = append(p.page.Messages, m)
	return false, nil
}

// oldest makes the page that begins after r.After.
func (p *pager) oldest(ctx context.Context) (todoke.Page, error) {
	at := p.r.After
	for {
		count := p.count()
		g, answers, err := p.e.glance(ctx, p.e.client, p.r.Channel, p.after(at, count))
		if err != nil {
			return p.page, err
		}
		entries, stored, err := p.entries(answers[0], at, todoke.MaxOffset)
		if err != nil {
			return p.page, err
		}
		if g.record == nil || p.last > 0 && p.torn(g, entries, +1) {
			p.page.More = p.last > 0
			return p.settled(g), nil
		}
		for _, en := range entries {
			at = en.offset
			done, err := p.take(g, en)
			if done || err != nil {
				return p.settled(g), err
			}
		}
		if stored < count {
			return p.settled(g), nil
		}
	}
}

// take looks at the next entry; done says that the page ends before it.
func (p *pager) take(g glance, en entry) (done bool, err error) {
	what := g.judge(en, p.limits)
	switch {
	case what == lost && p.last > 0:
		p.page.More = true // trimmed while we read: the next page tells of it
		return true, nil
	case what == lost:
		p.lost = en.offset
		return en.offset > p.r.UpTo, nil
	case en.offset > p.r.UpTo:
		return true, nil
	}
	if p.last == 0 && what == kept {
		p.page.Lost = g.loss(p.r, p.lost)
	}
	if what == kept {
		if done, err = p.add(g, en); done || err != nil {
			return done, err
		}
	}
	p.passed(en)
	return false, nil
}

// passed notes where the walk is, once something was gathered: from there on it must not miss any.
func (p *pager) passed(en entry) {
	if len(p.page.Messages) > 0 {
		p.last = en.n
	}
}

// settled is the page, with the loss if no entry has settled it.
func (p *pager) settled(g glance) todoke.Page {
	if p.last == 0 {
		p.page.Lost = g.loss(p.r, p.lost)
	}
	return p.page
}

// torn reports whether entries do not go on where the last step ended: those between were trimmed.
func (p *pager) torn(g glance, entries []entry, step int64) bool {
	if len(entries) > 0 {
		return entries[0].n != p.last+step
	}
	return step > 0 && g.record.n != p.last
}

// newest makes the page that ends with r.UpTo. It walks back.
func (p *pager) newest(ctx context.Context) (todoke.Page, error) {
	upper := id(p.r.UpTo)
	for {
		count := p.count()
		back := p.e.client.B().Xrevrange().Key(p.e.key("c:" + p.r.Channel)).End(upper).Start("(" + id(p.r.After)).Count(int64(count)).Build()
		// The entry after r.UpTo may have messages before it, too.
		g, answers, err := p.e.glance(ctx, p.e.client, p.r.Channel, back, p.after(p.r.UpTo, 1), p.after(p.r.After, 1))
		if err != nil {
			return p.page, err
		}
		entries, stored, err1 := p.entries(answers[0], p.r.After, p.r.UpTo)
		beyond, _, err2 := p.entries(answers[1], p.r.After, p.r.UpTo)
		first, _, err3 := p.entries(answers[2], p.r.After, todoke.MaxOffset)
		if err1 != nil || err2 != nil || err3 != nil {
			return p.page, errMalformed
		}
		slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.offset, b.offset) })
		if upper == id(p.r.UpTo) {
			entries = append(entries, beyond...)
		}
		slices.Reverse(entries)
		done, err := p.walk(g, entries)
		if err != nil {
			return p.page, err
		}
		if done || stored < count {
			p.page.Lost, err = p.lossBefore(ctx, g, first)
			slices.Reverse(p.page.Messages)
			return p.page, err
		}
		if upper, err = lastID(answers[0]); err != nil {
			return p.page, err
		}
		upper = "(" + upper
	}
}

// walk takes entries, the newest first; done says that what lies before them does not matter.
func (p *pager) walk(g glance, entries []entry) (done bool, err error) {
	switch {
	case g.record == nil:
		return true, nil
	case p.last > 0 && p.torn(g, entries, -1):
		p.page.More = len(entries) > 0
		return true, nil
	}
	for _, en := range entries {
		switch g.judge(en, p.limits) {
		case lost:
			p.lost = en.offset
			return true, nil
		case kept:
			if full, err := p.add(g, en); full || err != nil {
				return true, err
			}
		}
		p.passed(en)
	}
	return false, nil
}

// lossBefore is the loss of a range that was walked back; first is the channel's first entry after r.After.
func (p *pager) lossBefore(ctx context.Context, g glance, first []entry) (todoke.Loss, error) {
	if p.lost == 0 && g.record != nil && len(first) > 0 && g.judge(first[0], p.limits) == lost {
		if first[0].offset > p.r.UpTo {
			return g.loss(p.r, first[0].offset), nil
		}
		// The walk stopped before it came to what is lost: the oldest page knows.
		front := &pager{e: p.e, r: p.r, limits: p.limits}
		front.r.Limit, front.r.Newest = 1, false
		page, err := front.oldest(ctx)
		return page.Lost, err
	}
	return g.loss(p.r, p.lost), nil
}

func (p *pager) after(at todoke.Offset, count int) rueidis.Completed {
	return p.e.client.B().Xrange().Key(p.e.key("c:" + p.r.Channel)).Start("(" + id(at)).End("+").Count(int64(count)).Build()
}

// entries reads the answer, and remembers what entries are like. It returns what lies in (after, upTo], and how many entries
// of the stream that was.
func (p *pager) entries(m rueidis.RedisMessage, after, upTo todoke.Offset) (within []entry, stored int, err error) {
	all, err := readEntries(m)
	size, messages := 0, 0
	for _, entries := range all {
		messages += len(entries)
		for _, en := range entries {
			size += len(en.message)
			if en.offset > after && en.offset <= upTo {
				within = append(within, en)
			}
		}
	}
	if len(all) > 0 {
		p.e.average.Store((p.e.average.Load() + int64(size/len(all)) + 1) / 2)
		p.e.grouped.Store((p.e.grouped.Load() + int64(messages/len(all)) + 1) / 2)
	}
	return within, len(all), err
}

// count is how many entries the next step asks for: as many as the page still takes, if they are like those read last.
func (p *pager) count() int {
	bytes := mostReadBytes
	if p.r.MaxBytes > 0 {
		bytes = min(bytes, max(p.r.MaxBytes-p.bytes, 0))
	}
	messages := min(p.r.Limit-len(p.page.Messages)+1, mostRead)
	return min(messages/int(max(p.e.grouped.Load(), 1)), bytes/int(max(p.e.average.Load(), 64))) + 2
}

// id is the id of the entry at an offset.
func id(offset todoke.Offset) string { return strconv.FormatUint(uint64(offset), 10) + "-0" }
