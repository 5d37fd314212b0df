package todoke

import "context"

// Limits of a History.
const (
	DefaultHistoryLimit = 100
	MaxHistoryLimit     = 1000
	MaxHistoryBytes     = 4 << 20
)

// A Query asks for retained messages.
type Query struct {
	Channels []string // channels and patterns, 1 to MaxChannels
	Since    Since    // zero: Earliest
	Limit    int      // most messages, 1 to 1,000. 0: 100
	MaxBytes int      // about the most bytes; a page has at least one message if there is one. 0: 4 MiB, which is the most
}

// A History is a page of retained messages. A Subscribe or a History After its Position goes on where it ends.
type History struct {
	Gaps     []Gap
	Messages []*Message // shared: not to be changed
	Position Position
	More     bool // there is more before the head
}

// History reads one page of what is retained, in the order of the log, conflated where the namespace says so. The error of a bad
// query is an *Error.
func (h *Hub) History(ctx context.Context, q Query) (History, error) {
	if err := q.validate(); err != nil {
		return History{}, err
	}
	if h.closed.Load() {
		return History{}, errHubClosed()
	}
	if err := h.arrive(ctx, q.Since); err != nil {
		return History{}, err
	}
	head := h.Head()
	from, err := h.resolve(ctx, q.Channels, q.Since, head)
	if err != nil {
		return History{}, err
	}
	sources, gaps, err := h.sources(ctx, q.Channels, from.after, head, from.quiet)
	if err != nil {
		return History{}, err
	}
	page := History{Gaps: append(from.gaps, gaps...), Position: head}
	c := h.newCatchup(head.Offset, sources...)
	if from.snapshot {
		err = page.addSnapshot(ctx, h, c, q.Limit)
	} else {
		err = page.addNext(ctx, h, c, q)
	}
	return page, err
}

// addNext reads until the page is full or the end is reached.
func (p *History) addNext(ctx context.Context, h *Hub, c *catchup, q Query) error {
	c.limit = min(c.limit, q.Limit+1)
	bytes := 0
	for len(p.Messages) < q.Limit && bytes < q.MaxBytes {
		messages, through, err := c.next(ctx, q.Limit-len(p.Messages), q.MaxBytes-bytes)
		if err != nil {
			return err
		}
		gaps := c.takeGaps()
		p.Gaps = append(p.Gaps, gaps...)
		p.Messages = append(p.Messages, messages...)
		p.Position.Offset = through
		for _, m := range messages {
			bytes += m.size()
		}
		if c.done() || len(messages) == 0 && len(gaps) == 0 {
			break
		}
	}
	if c.done() {
		p.Position.Offset = c.upTo
	}
	p.More = !c.done()
	p.Messages = h.fold(p.Messages)
	return nil
}

// addSnapshot reads everything, conflated. A snapshot that is longer than the limit is cut, which its positions allow.
func (p *History) addSnapshot(ctx context.Context, h *Hub, c *catchup, limit int) error {
	messages, gaps, err := h.snapshot(ctx, c)
	if err != nil {
		return err
	}
	p.Gaps = append(p.Gaps, gaps...)
	p.Messages = messages
	if len(messages) > limit {
		p.Messages = messages[:limit:limit]
		p.Position = messages[limit-1].Position
		p.More = true
	}
	return nil
}

func (q *Query) validate() error {
	if err := validateInterest(q.Channels); err != nil {
		return err
	}
	if err := q.Since.validate(); err != nil {
		return err
	}
	if q.Limit == 0 {
		q.Limit = DefaultHistoryLimit
	}
	if q.Limit < 1 || q.Limit > MaxHistoryLimit {
		return errf(CodeInvalidParameter, "limit", "%d: it is from 1 to %d", q.Limit, MaxHistoryLimit)
	}
	if q.MaxBytes <= 0 || q.MaxBytes > MaxHistoryBytes {
		q.MaxBytes = MaxHistoryBytes
	}
	return nil
}

// snapshot reads a catchup to its end and folds it. Where messages build on each other (append, merge) it tells what is missing
// at the beginning; where the newest is enough it need not.
func (h *Hub) snapshot(ctx context.Context, c *catchup) (messages []*Message, gaps []Gap, err error) {
	for _, src := range c.unread {
		mode := h.Conflation(src.channel)
		src.quiet = mode != ConflateAppend && mode != ConflateMerge
	}
	for !c.done() {
		some, _, err := c.next(ctx, batchMessages, MaxHistoryBytes)
		if err != nil {
			return nil, nil, err
		}
		messages = append(messages, some...)
		for _, gap := range c.takeGaps() {
			if !gap.Possible { // a channel that had expired altogether began anew
				gaps = append(gaps, gap)
			}
		}
	}
	return h.fold(messages), gaps, nil
}
