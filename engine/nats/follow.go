package nats

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/todoke-dev/todoke"
)

// A view is the log as this node has followed it. One goroutine, follow, moves it; everything else reads it.
type view struct {
	mu    sync.Mutex
	moved sync.Cond // the head moved, the epoch changed, or the engine was closed

	epoch      string
	generation int           // counts the epochs
	began      todoke.Offset // the record of the epoch
	streamID   string
	ring       ring
	clock      clock
	indexes    indexes
	waiting    map[todoke.Offset][]chan struct{} // publishers, by the offset that they wait for
	restart    context.CancelFunc                // ends follow's present session
}

func (e *Engine) streamID() string {
	e.view.mu.Lock()
	defer e.view.mu.Unlock()
	return e.view.streamID
}

// adopt begins an epoch: everything known of the log before it is forgotten. head is where the view stands, at least at the record. v.mu is held.
func (v *view) adopt(r epochRecord, head todoke.Offset) {
	v.epoch, v.began, v.streamID = r.Epoch, r.at, r.Stream
	v.generation++
	v.ring.reset(max(head, r.at))
	v.clock = clock{}
	v.indexes.clear()
	v.release(todoke.MaxOffset)
	v.moved.Broadcast()
}

// release wakes those that wait for offsets up to one. v.mu is held.
func (v *view) release(through todoke.Offset) {
	for at, waiting := range v.waiting {
		if at <= through {
			for _, w := range waiting {
				close(w)
			}
			delete(v.waiting, at)
		}
	}
}

// push takes a step. v.mu is held.
func (v *view) push(s step) {
	v.ring.push(s)
	if s.hole != 0 {
		v.release(s.to)
	} else if waiting, ok := v.waiting[s.to]; ok {
		for _, w := range waiting {
			close(w)
		}
		delete(v.waiting, s.to)
	}
	v.moved.Broadcast()
}

// follow keeps the view up with the log until Close. ready is called once, when it does so for the first time.
func (e *Engine) follow(ready func()) {
	// A server that has just come back may swallow the first request: it is soon made again, then with more patience.
	const soon, late = 500 * time.Millisecond, 8 * time.Second
	patience := soon
	for wait := 20 * time.Millisecond; e.life.Err() == nil; {
		begun := time.Now()
		err := e.session(ready, patience)
		if e.life.Err() != nil {
			return
		}
		if !errors.Is(err, errDisconnected) && !errors.Is(err, errAdopted) {
			e.o.Logger.Warn("following the log is taken up anew", "stream", e.o.Prefix, "error", err)
		}
		patience = min(2*patience, late)
		if time.Since(begun) > 2*late {
			wait, patience = 20*time.Millisecond, soon
		}
		if pause(e.life, wait) != nil {
			return
		}
		wait = min(2*wait, time.Second)
	}
}

// errAdopted: the history changed; the next session follows the new one.
var errAdopted = errors.New("the log has a new epoch")

// session follows the log on one connection. The log is verified after its feed was made: a stream that is wiped later takes
// the feed with it.
func (e *Engine) session(ready func(), patience time.Duration) error {
	up, err := e.link.await(e.life)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(up)
	defer cancel(nil)
	defer context.AfterFunc(e.life, func() { cancel(errClosed()) })()
	v := &e.view
	v.mu.Lock()
	known, head := v.epoch, v.ring.head()
	v.restart = func() { cancel(errAdopted) }
	v.mu.Unlock()

	start, stop := context.WithTimeout(ctx, e.o.StartTimeout)
	defer stop()
	opening, stopOpening := context.WithTimeout(start, patience)
	defer stopOpening()
	f, err := e.openFeed(opening, feedConfig{from: head + 1})
	if err == nil {
		defer f.close()
	}
	h, failed := e.verify(start, known, head, "")
	switch {
	case failed != nil:
		return failed
	case h.record.Epoch != known:
		v.mu.Lock()
		v.adopt(h.record, h.record.at)
		v.mu.Unlock()
		return errAdopted
	case err != nil:
		return err
	}
	stop()
	ready()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(ctx, cancel)
	}()
	defer func() { cancel(nil); <-watched }()
	for {
		m, err := f.next(ctx)
		if err != nil {
			return err
		}
		if err := e.take(m); err != nil {
			return err
		}
	}
}

// take brings a fed message into the view. What lies between it and the head the stream does not have any more, for deliveries
// themselves are counted.
func (e *Engine) take(m fed) error {
	v := &e.view
	channel, isChannel := channelOf(e.o.Prefix, m.Subject)
	isChannel = isChannel && todoke.ValidateChannel(channel) == nil // or somebody else published to our subjects
	var record *epochRecord
	if !isChannel && m.Subject == epochSubject(e.o.Prefix) {
		var err error
		if record, err = readRecord(m.Data, m.seq, m.time); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	head := v.ring.head()
	if m.seq <= head {
		return nil
	}
	if record != nil && record.Epoch != v.epoch {
		v.adopt(*record, record.at)
		return nil // the feed goes on behind it
	}
	if m.seq > head+1 {
		v.push(step{to: m.seq - 1, hole: head + 1})
	}
	s := step{to: m.seq}
	if isChannel {
		s.message = decode(channel, m.Header, m.Data, todoke.Position{Epoch: v.epoch, Offset: m.seq}, m.time)
		v.clock.add(m.seq, m.time)
		v.indexes.note(s.message)
	}
	v.push(s)
	return nil
}

// watch looks at the log now and then while a session lasts: it writes the epoch record again before the stream lets go of it,
// and ends the session when the log is not what was followed.
func (e *Engine) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	const every = 5 * time.Second
	for pause(ctx, every) == nil {
		info, err := e.info(ctx)
		if err != nil {
			continue // the session has trouble of its own
		}
		r, err := e.lastRecord(ctx)
		if err != nil {
			continue
		}
		v := &e.view
		v.mu.Lock()
		known, head, id := v.epoch, v.ring.head(), v.streamID
		v.mu.Unlock()
		e.data.watermark(head, known)
		if r == nil || r.Epoch != known || info.Config.Metadata[metaID] != id {
			cancel(errAdopted) // the next session verifies
			return
		}
		h := history{record: *r, first: todoke.Offset(info.State.FirstSeq), last: todoke.Offset(info.State.LastSeq)}
		if h.fades(info.Config, info.TimeStamp) {
			again := epochRecord{Epoch: r.Epoch, Stream: r.Stream, Why: "the record was old"}
			if err := e.putRecord(ctx, again, r.at); err != nil && !errors.Is(err, errRaced) {
				e.o.Logger.Warn("the epoch record could not be written again", "error", err)
			}
		}
	}
}

// reach waits until the view has come to an offset, or to another epoch.
func (e *Engine) reach(ctx context.Context, at todoke.Offset) error {
	v := &e.view
	v.mu.Lock()
	if v.ring.head() >= at {
		v.mu.Unlock()
		return nil
	}
	w := make(chan struct{})
	if v.waiting == nil {
		v.waiting = make(map[todoke.Offset][]chan struct{})
	}
	v.waiting[at] = append(v.waiting[at], w)
	v.mu.Unlock()
	select {
	case <-w:
		return nil
	case <-ctx.Done():
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting[at] = slices.DeleteFunc(v.waiting[at], func(other chan struct{}) bool { return other == w })
	if len(v.waiting[at]) == 0 {
		delete(v.waiting, at)
	}
	return context.Cause(ctx)
}

// catchUp waits until the view has everything that the stream had when it was called, and returns where it then is.
func (e *Engine) catchUp(ctx context.Context) (todoke.Position, error) {
	info, err := e.info(ctx)
	if err != nil {
		return todoke.Position{}, err
	}
	if info.Cluster != nil && info.Cluster.Leader == "" {
		return todoke.Position{}, errNoLeader // a replica answers for itself: it may be behind
	}
	last := todoke.Offset(info.State.LastSeq)
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		short, cancel := context.WithTimeout(ctx, wait)
		err := e.reach(short, last)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return todoke.Position{}, context.Cause(ctx)
		}
		if err := e.skip(ctx, last); err != nil {
			return todoke.Position{}, err
		}
	}
	e.view.mu.Lock()
	defer e.view.mu.Unlock()
	return todoke.Position{Epoch: e.view.epoch, Offset: e.view.ring.head()}, nil
}

// skip is for a log whose end was deleted, so that no delivery brings the view there: when the stream has nothing behind the
// view's head, that moves to the end.
func (e *Engine) skip(ctx context.Context, end todoke.Offset) error {
	head := e.headNow()
	next, err := e.leaderNext(ctx, head+1)
	if err != nil {
		return err
	}
	v := &e.view
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ring.head() == head && head < end && (next == 0 || next > end) {
		v.push(step{to: end, hole: head + 1})
	}
	return nil
}

func (e *Engine) headNow() todoke.Offset {
	e.view.mu.Lock()
	defer e.view.mu.Unlock()
	return e.view.ring.head()
}
