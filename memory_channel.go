package todoke

import (
	"sort"
	"time"
)

// A memChannel is what the memory engine keeps of a channel while it has messages. Guarded by Memory.mu.
type memChannel struct {
	name     string
	class    *memClass
	messages deque[*Message] // ascending by offset
	bytes    int
	trimmed  Offset // the greatest offset lost to retention; 0: none
	floor    Offset // the namespace's horizon when the channel appeared: what it had before is not known

	// The sweeper's: a channel stands in at most one slot of its wheel.
	next      *memChannel
	scheduled bool
}

func (c *memChannel) empty() bool { return c.messages.len() == 0 }

func (c *memChannel) last() Offset {
	if c.empty() {
		return 0
	}
	return c.messages.at(c.messages.len() - 1).Position.Offset
}

// append stores msg and keeps to the limits in number and bytes.
func (c *memChannel) append(msg *Message) {
	c.messages.push(msg)
	c.bytes += msg.size()
	for c.messages.len() > c.class.limits.Messages || c.class.limits.Bytes >= 0 && c.bytes > c.class.limits.Bytes {
		if c.empty() {
			return
		}
		c.popFront(true)
	}
}

// expire lets go of what is too old at now.
func (c *memChannel) expire(now time.Time) {
	for !c.empty() {
		front := c.messages.at(0)
		switch {
		case c.class.limits.Age >= 0 && now.Sub(front.Time) >= c.class.limits.Age:
			c.popFront(!front.Expired(now))
		case front.Expired(now):
			c.popFront(false)
		default:
			return
		}
	}
}

func (c *memChannel) popFront(lost bool) {
	front := c.messages.pop()
	c.bytes -= front.size()
	if lost {
		c.trimmed = front.Position.Offset
	}
}

// due is when the oldest message expires; ok is false when it never does.
func (c *memChannel) due() (at time.Time, ok bool) {
	if c.empty() {
		return time.Time{}, false
	}
	front := c.messages.at(0)
	if c.class.limits.Age >= 0 {
		at, ok = front.Time.Add(c.class.limits.Age), true
	}
	if front.TTL > 0 {
		if ttl := front.Time.Add(front.TTL); !ok || ttl.Before(at) {
			at, ok = ttl, true
		}
	}
	return at, ok
}

// loss tells what a reader after the offset has lost in a range that ends with upTo.
func (c *memChannel) loss(after, upTo Offset) Loss {
	switch {
	case after >= upTo:
		return Loss{}
	case after < c.trimmed && c.trimmed <= upTo:
		return Loss{Through: c.trimmed}
	case after < c.trimmed:
		return Loss{Through: upTo, Possible: true} // the message at trimmed is beyond; whether others were not is not known
	case after < c.floor:
		return Loss{Through: min(c.floor, upTo), Possible: true}
	}
	return Loss{}
}

// read adds to page what the range asks for.
func (c *memChannel) read(r Range, now time.Time, page *Page) {
	n := c.messages.len()
	lo := sort.Search(n, func(i int) bool { return c.messages.at(i).Position.Offset > r.After })
	hi := sort.Search(n, func(i int) bool { return c.messages.at(i).Position.Offset > r.UpTo })
	i, step := lo, 1
	if r.Newest {
		i, step = hi-1, -1
	}
	bytes := 0
	for ; lo <= i && i < hi; i += step {
		msg := c.messages.at(i)
		if msg.Expired(now) {
			continue
		}
		bytes += len(msg.Data)
		if len(page.Messages) >= max(r.Limit, 1) || r.MaxBytes > 0 && bytes > r.MaxBytes && len(page.Messages) > 0 {
			page.More = true
			break
		}
		page.Messages = append(page.Messages, msg)
	}
	if r.Newest {
		reverse(page.Messages)
	}
}

func reverse(messages []*Message) {
	for i, j := 0, len(messages)-1; i < j; i, j = i+1, j-1 {
		messages[i], messages[j] = messages[j], messages[i]
	}
}
