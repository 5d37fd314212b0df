package load

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/todoke-dev/todoke/internal/load/adapter"
)

func everybody(int) bool { return true }

// storm cuts all readers, publishes, and lets them come back at once.
func storm(ctx context.Context, e *engine, r *Result) error {
	if err := prepare(ctx, e, everybody); err != nil {
		return err
	}
	// Everybody has a position once it has a message.
	if err := e.publishExactly(ctx, 1); err != nil {
		return err
	}
	if err := e.drain(ctx); err != nil {
		return err
	}
	for _, c := range e.readers {
		e.drop(c)
		c.after = slices.Clone(c.track.where(c.link))
	}
	if err := e.calm(ctx); err != nil {
		return err
	}
	if err := e.publishExactly(ctx, e.config.Missed); err != nil {
		return err
	}
	w := e.beginWindow()
	if err := e.connectReaders(ctx); err != nil {
		return err
	}
	r.Storm = &Storm{Missed: e.config.Missed, Connected: seconds(e.now() - w.start)}
	if err := e.drain(ctx); err != nil {
		return err
	}
	e.endWindow(w, r)
	r.Storm.Seconds = r.Seconds
	if r.Lost > 0 {
		r.Storm.Seconds = 0 // it never was over
	}
	r.Latency = Latency{} // of messages that waited for their readers it means nothing
	if r.Server != nil {
		r.Storm.CPUSeconds = r.Server.CPU
		r.Storm.CPUPerReaderMS = r.Server.CPU * 1000 / float64(max(1, len(e.readers)))
	}
	return nil
}

// slow measures the readers that read while others do not, and then what becomes of those.
func slow(ctx context.Context, e *engine, r *Result) error {
	n := max(1, int(float64(e.config.Readers)*e.config.Slow))
	resumable := e.canResume()
	if err := prepare(ctx, e, func(i int) bool { return resumable && i < n }); err != nil {
		return err
	}
	stopped := e.readers[:n]
	var without Result
	w := e.beginWindow()
	if err := e.publish(ctx, "publishing, all read", e.config.For); err != nil {
		return err
	}
	if err := e.drain(ctx); err != nil {
		return err
	}
	e.endWindow(w, &without)
	if err := e.standStill(stopped); err != nil {
		return err
	}
	w = e.beginWindow()
	if err := e.publish(ctx, "publishing, some do not read", e.config.For); err != nil {
		return err
	}
	if err := e.drain(ctx); err != nil {
		return err
	}
	e.endWindow(w, r)
	r.SlowOn = &Slow{Readers: n, P99Before: without.Latency.P99, P99: r.Latency.P99}
	if r.Server != nil {
		r.SlowOn.RSSGrown = r.Server.RSS - r.Server.RSSBefore
	}
	if err := e.readOn(ctx, stopped, r.SlowOn); err != nil {
		return err
	}
	e.settleAccounts(r)
	return nil
}

// canResume reports whether all readers keep positions.
func (e *engine) canResume() bool {
	for _, name := range []string{e.config.Adapter, e.config.Other} {
		if a, err := adapter.Named(name); err != nil || len(a.Reader.Marks) == 0 {
			return false
		}
	}
	return true
}

// probes times the usual silence is waited for readers that stood still: the server's kernel asks a full peer for room ever more rarely,
// after eight seconds only every six (the persist timer, RFC 9293 §3.8.6.1).
const probes = 4

// The buffers of a reader that stands still and of one that reads on.
const (
	smallBuffer = 4 << 10
	largeBuffer = 1 << 20
)

// standStill lets readers read no more. Their sockets take little, so that the server soon has to deal with them.
func (e *engine) standStill(readers []*conn) error {
	for _, c := range readers {
		c.paused, c.counts = true, 0
		e.audience[c.channel]--
		if c.fd < 0 {
			continue
		}
		if err := setBuffer(c.fd, smallBuffer); err != nil {
			return err
		}
	}
	return nil
}

// readOn lets the readers that stood still read what there is, coming back where the server ended them.
func (e *engine) readOn(ctx context.Context, stopped []*conn, s *Slow) error {
	start := e.now()
	for _, c := range stopped {
		c.paused, c.counts = false, 1
		e.audience[c.channel]++
		if c.fd < 0 {
			continue
		}
		if err := setBuffer(c.fd, largeBuffer); err != nil {
			return err
		}
		e.receive(c, true)
	}
	last, since := int64(-1), start
	err := e.until(ctx, func() bool {
		now := e.now()
		e.moved = now
		if e.total.deliveries != last {
			last, since = e.total.deliveries, now
		}
		s.CaughtUp = 0
		for _, c := range stopped {
			if c.fd < 0 && e.comeBack(c) {
				s.Cut++
			}
			if e.caughtUp(c) {
				s.CaughtUp++
			}
		}
		quiet := time.Duration(now - since)
		all := s.CaughtUp == len(stopped)
		return all && (e.gapped == 0 || quiet > longestGap) || quiet > probes*e.config.Quiet
	})
	s.Seconds = seconds(since - start)
	return err
}

// caughtUp reports whether a reader has the end of its channel. One that was told of a gap may lack the ends of some lanes.
func (e *engine) caughtUp(c *conn) bool {
	if _, behind := e.lacks(c); behind == 0 {
		return true
	}
	if c.track == nil || !c.track.gapped {
		return false
	}
	for lane := range e.lanes {
		n := e.numbers[int(c.channel)*e.lanes+lane]
		if n > 0 && n == e.expected[c.reader*e.lanes+lane] {
			return true
		}
	}
	return false
}

// comeBack opens a reader's connection again, from its position. It reports false where the reader cannot resume.
func (e *engine) comeBack(c *conn) bool {
	if c.track == nil {
		return false
	}
	at := c.track.where(c.link)
	if at == nil {
		return false
	}
	c.after = slices.Clone(at)
	c.track.pending = nil
	if err := e.open(c); err != nil {
		e.failure = err
	}
	return true
}

// soak cuts readers at random while messages come.
func soak(ctx context.Context, e *engine, r *Result) error {
	if err := prepare(ctx, e, everybody); err != nil {
		return err
	}
	const every = int64(20 * time.Millisecond)
	next := e.now() + every
	e.each = func(now int64) {
		for _, c := range e.ended {
			e.comeBack(c)
		}
		e.ended = e.ended[:0]
		if now < next {
			return
		}
		next = now + every
		if c := e.readers[rand.IntN(len(e.readers))]; c.state == ready && c.fd >= 0 && c.track.where(c.link) != nil {
			e.drop(c)
			e.comeBack(c)
			r.Cuts++
		}
	}
	w := e.beginWindow()
	if err := e.publish(ctx, "publishing and cutting", e.config.For); err != nil {
		return err
	}
	next = never
	if err := e.drain(ctx); err != nil {
		return err
	}
	e.endWindow(w, r)
	return nil
}
