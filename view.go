package todoke

import "sort"

// A view is the end of one channel's run of frames as a follower last saw it: what all readers that keep up with the
// channel are given, without a lock. It holds on to a run's bytes until the next channel is visited.
type view struct {
	topic   *topic
	format  Format
	history *history
	era     uint64
	head    Offset // a reader that has all of the view has everything up to here
	floor   Offset // readers at or after it can be served
	bytes   []byte
	ends    []int
	offsets []Offset
	base    int
	// The last reader's cursor, and the first frame that it lacked: the next reader is mostly at the same.
	cursor Offset
	first  int
}

// read gives what s lacks and moves its cursor, as Subscription.read does. ok is false when it cannot tell.
func (v *view) read(s *Subscription, f Format) (frames Frames, ok bool) {
	h := s.hub
	if v.topic != s.only.topic || v.head < Offset(h.head.Load()) || v.era != h.era.Load() || v.format != f {
		if !v.look(s, f) {
			return Frames{}, false
		}
	}
	if s.cursor < v.floor || s.history != v.history || s.left || s.closed.Load() {
		return Frames{}, false
	}
	if s.cursor != v.cursor {
		v.cursor = s.cursor
		v.first = sort.Search(len(v.offsets), func(i int) bool { return v.offsets[i] > s.cursor })
	}
	if v.first == len(v.offsets) {
		s.cursor = max(s.cursor, v.head)
		return Frames{Position: s.position()}, true
	}
	frames = v.frames(v.first)
	frames.before = s.cursor
	if frames.More {
		s.cursor = frames.offsets[len(frames.offsets)-1]
	} else {
		s.cursor = v.head
	}
	frames.Position = s.position()
	return frames, true
}

// frames are those from the index on, within the bounds of a batch.
func (v *view) frames(first int) Frames {
	start, last := v.base, len(v.ends)
	if first > 0 {
		start = v.ends[first-1]
	}
	if v.ends[last-1]-start > batchBytes {
		last = first + max(1, sort.Search(last-first, func(i int) bool { return v.ends[first+i]-start > batchBytes }))
	}
	end := v.ends[last-1]
	return Frames{
		Bytes:    v.bytes[start-v.base : end-v.base : end-v.base],
		Messages: last - first,
		More:     last < len(v.ends),
		ends:     v.ends[first:last:last],
		base:     start,
		offsets:  v.offsets[first:last:last],
	}
}

// look brings the view up to date for s's channel; false when its frames are not for everybody, or s is not one of those who
// keep up.
func (v *view) look(s *Subscription, f Format) bool {
	h, t := s.hub, s.only.topic
	v.topic = nil
	era := h.era.Load()
	now := h.history.Load()
	if h.closed.Load() || h.drain.Load() != nil || s.history != now {
		return false
	}
	head := Offset(h.head.Load())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ns.conflation != ConflateNone || t.withTTL > 0 || uint64(s.cursor) < t.start.Load() || h.era.Load() != era {
		return false
	}
	i, j := t.indexAfter(s.cursor), t.indexAfter(head)
	r := t.run(f, i)
	if t.popped+i < r.first {
		return false
	}
	for n := r.first + len(r.ends); n < t.popped+j; n++ {
		r.append(t.messages.at(n - t.popped))
	}
	*v = view{topic: t, format: f, history: now, era: era, head: head, floor: r.floor,
		bytes: r.bytes, ends: r.ends, offsets: r.offsets, base: r.base, cursor: MaxOffset, first: len(r.offsets)}
	// What the tail has let go of is no longer anybody's: it may have had a TTL.
	v.floor = max(v.floor, Offset(t.start.Load()))
	if n := len(r.offsets); n > 0 {
		v.head = max(head, r.offsets[n-1]) // another follower has encoded more already
	}
	return true
}

// indexAt is the frame that the byte at the place is of.
func (f Frames) indexAt(place int) int {
	return sort.Search(len(f.ends)-1, func(i int) bool { return f.ends[i]-f.base > place })
}

// bounds are where the frame begins and ends.
func (f Frames) bounds(i int) (start, end int) {
	if i > 0 {
		start = f.ends[i-1] - f.base
	}
	return start, f.ends[i] - f.base
}
