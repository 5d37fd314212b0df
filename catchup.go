package todoke

import (
	"container/heap"
	"context"
)

// A catchup reads several channels from the engine, up to a fixed point, and merges them in the order of the log. It holds one
// page of each channel, and what it holds is shared with the engine where that is in memory.
type catchup struct {
	hub     *Hub
	upTo    Offset
	through Offset    // everything up to here was given
	unread  []*source // first pages that are not read yet
	sources sourceHeap
	gaps    []Gap
	limit   int // messages of one page
}

// A source is one channel of a catchup.
type source struct {
	channel string
	after   Offset // read up to here
	quiet   bool   // no word of what the first page lacks
	page    []*Message
	more    bool
}

func (h *Hub) newCatchup(upTo Offset, sources ...*source) *catchup {
	c := &catchup{hub: h, upTo: upTo, through: upTo, unread: sources, limit: batchMessages}
	for _, src := range sources {
		c.through = min(c.through, src.after)
	}
	if n := len(sources); n > 1 {
		c.limit = max(16, 2*batchMessages/n)
	}
	return c
}

// done reports whether everything, and every gap, was given.
func (c *catchup) done() bool { return len(c.unread) == 0 && len(c.sources) == 0 && len(c.gaps) == 0 }

func (c *catchup) takeGaps() []Gap {
	gaps := c.gaps
	c.gaps = nil
	return gaps
}

// next returns up to most messages, of about maxBytes, in the order of the log, and the point up to which the reader then
// has everything. It stops early at a gap, which takeGaps then returns, for the gap belongs before what follows. A page
// may so be empty before the end.
func (c *catchup) next(ctx context.Context, most, maxBytes int) (messages []*Message, through Offset, err error) {
	if err := c.readFirst(ctx); err != nil {
		return nil, 0, err
	}
	bytes := 0
	for len(c.gaps) == 0 && len(c.sources) > 0 && len(messages) < most {
		src := c.sources[0]
		m := src.page[0]
		if bytes += m.size(); bytes > maxBytes && len(messages) > 0 {
			break
		}
		messages = append(messages, m)
		c.through = m.Position.Offset
		src.page = src.page[1:]
		if c.refill(ctx, src) != nil {
			// What was taken is given; the next call reads the source's page again, and has the error if it lasts.
			heap.Remove(&c.sources, 0)
			c.unread = append(c.unread, src)
			break
		}
	}
	if len(c.sources) == 0 && len(c.unread) == 0 && len(c.gaps) == 0 {
		c.through = c.upTo
	}
	return messages, c.through, nil
}

// readFirst reads the first page of every source; a later call goes on where an error stopped it.
func (c *catchup) readFirst(ctx context.Context) error {
	for len(c.unread) > 0 {
		src := c.unread[0]
		if err := c.read(ctx, src); err != nil {
			return err
		}
		c.unread = c.unread[1:]
		if len(src.page) > 0 {
			heap.Push(&c.sources, src)
		}
	}
	return nil
}

// refill brings the first source back into order after its first message was taken.
func (c *catchup) refill(ctx context.Context, src *source) error {
	if len(src.page) == 0 && src.more {
		if err := c.read(ctx, src); err != nil {
			return err
		}
	}
	if len(src.page) == 0 {
		heap.Remove(&c.sources, 0)
		return nil
	}
	heap.Fix(&c.sources, 0)
	return nil
}

// read reads a source's next page.
func (c *catchup) read(ctx context.Context, src *source) error {
	page, err := c.hub.engine.Read(ctx, Range{Channel: src.channel, After: src.after, UpTo: c.upTo, Limit: c.limit, MaxBytes: 4 * batchBytes})
	if err != nil {
		return err
	}
	if page.Lost.Through > src.after && !src.quiet {
		c.gaps = append(c.gaps, Gap{
			Channel:  src.channel,
			From:     Position{Epoch: c.hub.epochNow(), Offset: src.after + 1},
			To:       Position{Epoch: c.hub.epochNow(), Offset: page.Lost.Through},
			Possible: page.Lost.Possible,
		})
	}
	src.quiet = false
	src.page, src.more = page.Messages, page.More
	if n := len(page.Messages); n > 0 {
		src.after = page.Messages[n-1].Position.Offset
	}
	return nil
}

// keep drops the sources that are not wanted any more.
func (c *catchup) keep(wanted func(channel string) bool) {
	unread, sources := c.unread, c.sources
	c.unread, c.sources = nil, nil
	for _, src := range unread {
		if wanted(src.channel) {
			c.unread = append(c.unread, src)
		}
	}
	for _, src := range sources {
		if wanted(src.channel) {
			heap.Push(&c.sources, src)
		}
	}
}

// sourceHeap orders sources by their next message; each has one.
type sourceHeap []*source

func (s sourceHeap) Len() int { return len(s) }
func (s sourceHeap) Less(i, j int) bool {
	return s[i].page[0].Position.Offset < s[j].page[0].Position.Offset
}
func (s sourceHeap) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *sourceHeap) Push(x any)   { *s = append(*s, x.(*source)) }
func (s *sourceHeap) Pop() any {
	last := (*s)[len(*s)-1]
	(*s)[len(*s)-1] = nil
	*s = (*s)[:len(*s)-1]
	return last
}
