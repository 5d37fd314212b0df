package todoke

import "iter"

// A Format encodes messages and gaps for one wire. It must be comparable with == and without state: the hub encodes a
// message once for each Format value, and all readers share the bytes.
type Format interface {
	// AppendMessage appends the whole frame of m, framing included, to dst.
	AppendMessage(dst []byte, m *Message) []byte
	// AppendGap appends the whole frame of a gap notice to dst.
	AppendGap(dst []byte, g Gap) []byte
}

// Bounds of one batch of a subscription; a batch has at least one message if there is one.
const (
	batchMessages = 1024
	batchBytes    = 256 << 10
)

// Frames are encoded messages and gaps, ready to be written.
type Frames struct {
	// Bytes are all frames, one after the other. They are shared: read only.
	Bytes []byte
	// Messages is how many of the frames are messages.
	Messages int
	// Position is where the reader is when it has them.
	Position Position
	// More says that there is more already.
	More bool

	ends []int // where each frame ends, counted from base
	base int
	// Of frames that a Follower shares: each message's offset, and where the reader was before.
	offsets []Offset
	before  Offset
}

// All yields the frames one by one.
func (f Frames) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start := f.base
		for _, end := range f.ends {
			if !yield(f.Bytes[start-f.base : end-f.base : end-f.base]) {
				return
			}
			start = end
		}
	}
}

// encode makes frames that are not shared.
func encode(f Format, gaps []Gap, messages []*Message) Frames {
	var frames Frames
	for _, gap := range gaps {
		frames.Bytes = f.AppendGap(frames.Bytes, gap)
		frames.ends = append(frames.ends, len(frames.Bytes))
	}
	for _, m := range messages {
		frames.Bytes = f.AppendMessage(frames.Bytes, m)
		frames.ends = append(frames.ends, len(frames.Bytes))
	}
	frames.Messages = len(messages)
	return frames
}

// runBytes is about how much of a topic's tail stays encoded in one format.
const runBytes = 1 << 20

// A run is a topic's tail in one format: one contiguous stretch of bytes, so that what any reader lacks is a slice of it. It only
// grows at its end, and moves to a new array when that is full, so slices given away stay as they are. Guarded by topic.mu.
type run struct {
	format Format
	first  int // number of the first message in it (topic.popped + index)
	// floor is the offset of the message before the first, or where the tail began: a reader there lacks nothing before the run.
	floor   Offset
	bytes   []byte
	ends    []int    // of each message's frame, counted from the first run's beginning
	offsets []Offset // of each message
	base    int      // … where bytes begins
}

// run finds the format's run such that it holds, or goes on with, the message at index i. t.mu is held.
func (t *topic) run(f Format, i int) *run {
	number := t.popped + i
	for _, r := range t.runs {
		if r.format != f {
			continue
		}
		if number > r.first+len(r.ends) || number < r.first && len(r.ends) == 0 {
			r.reset(number, t.before(i)) // nobody has read between: do not encode what nobody wants
		}
		return r
	}
	r := &run{format: f, first: number, floor: t.before(i)}
	t.runs = append(t.runs, r)
	return r
}

func (r *run) reset(number int, floor Offset) {
	*r = run{format: r.format, first: number, floor: floor}
}

// before is the offset of the message before index i, or where the tail begins. t.mu is held.
func (t *topic) before(i int) Offset {
	if i == 0 {
		return Offset(t.start.Load())
	}
	return t.messages.at(i - 1).Position.Offset
}

// slice returns the frames of the messages from index i to j, encoding those that are not yet. Messages before the run are encoded for
// this reader alone: it will reach the run soon. t.mu is held.
func (r *run) slice(t *topic, i, j int) Frames {
	from, to := t.popped+i, t.popped+j
	if from < r.first {
		return encode(r.format, nil, t.messages.slice(i, j))
	}
	for n := r.first + len(r.ends); n < to; n++ {
		r.append(t.messages.at(n - t.popped))
	}
	if from < r.first { // the run moved on while it grew
		return encode(r.format, nil, t.messages.slice(i, j))
	}
	start := r.base
	if from > r.first {
		start = r.ends[from-r.first-1]
	}
	ends := r.ends[from-r.first : to-r.first]
	end := ends[len(ends)-1]
	return Frames{
		Bytes:    r.bytes[start-r.base : end-r.base : end-r.base],
		Messages: len(ends),
		ends:     ends[:len(ends):len(ends)],
		base:     start,
	}
}

func (r *run) append(m *Message) {
	if len(r.bytes) == cap(r.bytes) || len(r.bytes) > 2*runBytes {
		r.move()
	}
	r.bytes = r.format.AppendMessage(r.bytes, m)
	r.ends = append(r.ends, r.base+len(r.bytes))
	r.offsets = append(r.offsets, m.Position.Offset)
}

// move drops the older part of a run that has grown large. Readers hold slices of the old arrays, so nothing is moved in place.
func (r *run) move() {
	if len(r.bytes) <= runBytes {
		return
	}
	drop := 0
	for drop < len(r.ends) && r.base+len(r.bytes)-r.ends[drop] > runBytes {
		drop++
	}
	if drop == 0 {
		return
	}
	cut := r.ends[drop-1]
	r.bytes = append(make([]byte, 0, 2*(len(r.bytes)-(cut-r.base))+runBytes), r.bytes[cut-r.base:]...)
	r.ends = append([]int(nil), r.ends[drop:]...)
	r.floor = r.offsets[drop-1]
	r.offsets = append([]Offset(nil), r.offsets[drop:]...)
	r.base = cut
	r.first += drop
}
