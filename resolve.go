package todoke

import (
	"context"
	"slices"
	"time"
)

// An origin is a since, resolved to a point of the present log.
type origin struct {
	after    Offset
	gaps     []Gap
	quiet    bool // asks for what is there: what was lost before is no loss to it
	snapshot bool
}

// resolve finds where since starts in the log as it is at head.
func (h *Hub) resolve(ctx context.Context, names []string, since Since, head Position) (origin, error) {
	switch since.kind {
	case sincePosition:
		return h.resolvePosition(ctx, names, since.pos, head)
	case sinceSnapshot:
		return origin{quiet: true, snapshot: true}, nil
	case sinceLast:
		after, err := h.resolveNewest(ctx, names, head, since.n, time.Time{})
		return origin{after: after, quiet: true}, err
	case sinceAge:
		after, err := h.resolveNewest(ctx, names, head, 0, time.Now().Add(-since.age))
		return origin{after: after, quiet: true}, err
	case sinceNow:
		return origin{after: head.Offset}, nil
	default:
		return origin{quiet: true}, nil
	}
}

func (h *Hub) resolvePosition(ctx context.Context, names []string, p, head Position) (origin, error) {
	if p.Epoch != head.Epoch {
		gaps, err := h.epochGaps(ctx, names, p, head)
		return origin{quiet: true, gaps: gaps}, err
	}
	if p.Offset <= head.Offset {
		return origin{after: p.Offset}, nil
	}
	return origin{}, errf(CodeInvalidPosition, "since", "%s lies after the end of the log; send positions back as you got them", p)
}

// epochGaps tells a reader with a position of another history what it may have lost: everything up to the first message
// that each channel has now.
func (h *Hub) epochGaps(ctx context.Context, names []string, p, head Position) ([]Gap, error) {
	gaps := make([]Gap, 0, len(names))
	for _, name := range names {
		gap := Gap{Channel: name, From: p, To: head, Possible: true}
		if IsPattern(name) {
			_, lost, err := h.engine.Channels(ctx, name, 0)
			if err != nil {
				return nil, err
			}
			gap.To.Offset = lost
		} else {
			page, err := h.engine.Read(ctx, Range{Channel: name, UpTo: head.Offset, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(page.Messages) > 0 {
				gap.To.Offset = page.Messages[0].Position.Offset - 1
			}
		}
		gaps = append(gaps, gap)
	}
	return gaps, nil
}

// resolveNewest finds the point after which there are n messages, or, with n 0, after which there are those not older than cutoff.
func (h *Hub) resolveNewest(ctx context.Context, names []string, head Position, n int, cutoff time.Time) (Offset, error) {
	sources, _, err := h.sources(ctx, names, 0, head, true)
	if err != nil {
		return 0, err
	}
	var offsets []Offset
	for _, src := range sources {
		if offsets, err = h.newest(ctx, src.channel, head.Offset, n, cutoff, offsets); err != nil {
			return 0, err
		}
		if n > 0 && len(offsets) > 2*n {
			offsets = newestOf(offsets, n)
		}
	}
	if n > 0 {
		offsets = newestOf(offsets, n)
	}
	if len(offsets) == 0 {
		return head.Offset, nil
	}
	return slices.Min(offsets) - 1, nil
}

// newest appends the offsets of a channel's newest n messages, or the offset of the oldest that is not older than cutoff.
func (h *Hub) newest(ctx context.Context, channel string, upTo Offset, n int, cutoff time.Time, offsets []Offset) ([]Offset, error) {
	if n > 0 {
		page, err := h.engine.Read(ctx, Range{Channel: channel, UpTo: upTo, Limit: n, Newest: true})
		for _, m := range page.Messages {
			offsets = append(offsets, m.Position.Offset)
		}
		return offsets, err
	}
	var oldest Offset
	for {
		page, err := h.engine.Read(ctx, Range{Channel: channel, UpTo: upTo, Limit: batchMessages, Newest: true})
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(page.Messages, func(m *Message) bool { return !m.Time.Before(cutoff) })
		if i >= 0 {
			oldest = page.Messages[i].Position.Offset
		}
		if i != 0 || !page.More {
			break
		}
		upTo = oldest - 1
	}
	if oldest > 0 {
		offsets = append(offsets, oldest)
	}
	return offsets, nil
}

func newestOf(offsets []Offset, n int) []Offset {
	slices.Sort(offsets)
	return offsets[max(0, len(offsets)-n):]
}

// sources lists the channels that the names take in and that may have messages after the offset, and, unless quiet, what patterns
// may have lost with channels that are gone.
func (h *Hub) sources(ctx context.Context, names []string, after Offset, head Position, quiet bool) (list []*source, gaps []Gap, err error) {
	seen := make(map[string]bool)
	add := func(channel string) {
		if !seen[channel] {
			seen[channel] = true
			list = append(list, &source{channel: channel, after: after, quiet: quiet})
		}
	}
	for _, name := range names {
		if !IsPattern(name) {
			add(name)
			continue
		}
		channels, lost, err := h.engine.Channels(ctx, name, after)
		if err != nil {
			return nil, nil, err
		}
		for _, channel := range channels {
			add(channel)
		}
		if lost > after && !quiet {
			gaps = append(gaps, Gap{
				Channel:  name,
				From:     Position{Epoch: head.Epoch, Offset: after + 1},
				To:       Position{Epoch: head.Epoch, Offset: lost},
				Possible: true,
			})
		}
	}
	return list, gaps, nil
}
