package todoke

import (
	"context"
	"time"
)

// An Engine keeps the log. A call whose ctx ended matches ctx's error, and a Publish then has appended nothing. Those who use todoke choose one; those who write one read this file and
// pass engine/enginetest. Its methods may be called at the same time from many goroutines.
//
// Offsets are given and made visible in one step: once Tail has advanced to an offset, or Publish
// has returned one, Read and Bounds know everything up to it.
type Engine interface {
	// Open readies the engine; it is called once, before anything else. retention gives the limits
	// of a channel, the same pointer for all channels of a namespace; it is quick, safe for
	// concurrent use, and may be kept until Close. The error says what to do.
	Open(ctx context.Context, retention func(channel string) *Retention) error

	// Caps says what the log survives.
	Caps() Caps

	// Publish appends batch in order; results, as long as batch, is filled in: results[i] belongs to
	// batch[i]. The messages are valid and become the engine's: it sets Position and Time (which never
	// goes back along the log), clears IdempotencyKey, and keeps or serializes them. It keeps neither
	// slice. A message whose idempotency key was used on its channel within the window is not
	// appended: its Result has the first one's position.
	//
	// An error with CodeUnknown means that the outcome is not known: the caller repeats the batch with
	// the same idempotency keys and gets the first offsets. After any other error nothing was appended.
	Publish(ctx context.Context, batch []*Message, results []Result) error

	// Tail hands sink the epoch, then everything after from (what was appended before the call too), in order and
	// each message once, until ctx ends (then it returns ctx's error) or the store is lost (any
	// other error, CodeClosed after Close; the caller calls again). What lies after from and is not kept any more is told by Hole. from of another epoch, or zero, means: from the head as it is. The calls of sink
	// come one at a time, possibly from within Publish; a sink that is slow either slows publishers down or gets
	// Hole, but nothing is queued for it without bound.
	Tail(ctx context.Context, from Position, sink Sink) error

	// Read returns messages of one channel that are retained, not expired, and lie in the range,
	// ascending. It proves that it covers the range or fails; a page is short only if it says More.
	Read(ctx context.Context, r Range) (Page, error)

	// Channels returns the channels that the pattern takes in and that have messages after after, in any order.
	// lost, if not zero, says that some that the pattern takes in may have lost their state.
	Channels(ctx context.Context, pattern string, after Offset) (channels []string, lost Offset, err error)

	// Head returns the position of the newest message that was given an offset and can be read.
	Head(ctx context.Context) (Position, error)

	// Close ends Tail and every other call, and releases what the engine holds. Calls after it get
	// CodeClosed. It may be called again.
	Close() error
}

// Caps says what a log survives, whether a writer that lost its leadership without knowing is refused, and whether calls wait.
type Caps struct {
	Process bool // an acknowledged message survives the end of the process
	Machine bool // … of the machine
	Node    bool // … of one node of the store for good
	Fenced  bool // stale writers are refused
	// Immediate says that the log is in this process's memory: Publish has called the sink when it returns, and no call waits for
	// anything but a lock.
	Immediate bool
}

// A Result is what became of one message of a batch.
type Result struct {
	Position  Position
	Time      time.Time
	Duplicate bool // not appended: Position and Time are the first one's
}

// A Range asks an engine for messages of one channel with After < offset <= UpTo.
type Range struct {
	Channel string
	After   Offset
	UpTo    Offset
	// Limit is the most messages of a page, MaxBytes (0: no limit) the most bytes of data; a page has at least one
	// message if there is one.
	Limit    int
	MaxBytes int
	// Newest asks for the newest messages of the range when there are more than Limit; they are
	// ascending all the same, and More then means older ones.
	Newest bool
}

// A Page is what an engine has of a range.
type Page struct {
	Messages []*Message // shared: not to be changed
	More     bool       // the range has more than fitted
	Lost     Loss       // of the range, what is no longer retained
}

// A Loss tells what of a channel a reader after some offset has lost to retention. The zero Loss is none.
// Messages whose TTL was over are no loss.
type Loss struct {
	// Through is the greatest offset lost, greater than After: everything of the channel after the reader's
	// offset and up to Through is gone.
	Through Offset
	// Possible is true when it is not known whether the channel had messages there: its state was dropped, or the range
	// ends before the greatest offset that it lost. A loss that is not Possible is exact: the message at Through was the channel's.
	Possible bool
}

// A Sink takes what an engine tails. Only one of its methods runs at a time, and it returns quickly: an
// engine may hold its log while it runs. It must not call the engine.
type Sink interface {
	// Epoch comes first, and again before anything of a new history is applied. head is the offset from
	// which on Apply is called.
	Epoch(id string, head Offset)
	// Apply gives messages, ascending by offset. The slice is the sink's only during the call, the messages are shared.
	Apply(batch []*Message)
	// Advance says that nothing that was not applied lies at or below head.
	Advance(head Offset)
	// Hole says that the tail itself has lost the messages in [from, to]; whoever needs them reads them.
	Hole(from, to Offset)
}

// Retention bounds what a channel keeps; the first limit reached counts. In each field 0 means the default and a negative
// number means: no limit (Messages: keep none).
type Retention struct {
	Messages int           // newest messages kept. 0: 10,000. Negative: none
	Bytes    int           // bytes of data, names and headers. 0: 16 MiB. Negative: no limit
	Age      time.Duration // 0: 10 minutes. Negative: no limit
}

// Defaults of Retention.
const (
	DefaultRetainMessages = 10_000
	DefaultRetainBytes    = 16 << 20
	DefaultRetainAge      = 10 * time.Minute
)

// WithDefaults returns r with the defaults in place of zeros.
func (r Retention) WithDefaults() Retention {
	if r.Messages == 0 {
		r.Messages = DefaultRetainMessages
	}
	if r.Bytes == 0 {
		r.Bytes = DefaultRetainBytes
	}
	if r.Age == 0 {
		r.Age = DefaultRetainAge
	}
	return r
}
