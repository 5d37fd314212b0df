package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/todoke-dev/todoke/internal/load/adapter"
	"github.com/todoke-dev/todoke/internal/load/proc"
)

// addReaders makes the readers, not connected yet. Reader i follows channel i modulo their number; of a channel's readers every
// second one uses the other adapter.
func (e *engine) addReaders(tracks func(i int) bool) error {
	one, err := adapter.Named(e.config.Adapter)
	if err != nil {
		return err
	}
	other, err := adapter.Named(e.config.Other)
	if err != nil {
		return err
	}
	for i := range e.config.Readers {
		c := &conn{fd: -1, index: int32(len(e.conns)), reader: i, channel: uint32(i % e.config.Channels), link: &one.Reader, counts: 1}
		if i/e.config.Channels%2 == 1 {
			c.link = &other.Reader
		}
		if tracks != nil && tracks(i) {
			if len(c.link.Marks) == 0 {
				return fmt.Errorf("%w: readers of this adapter keep no position, so they cannot resume", ErrConfig)
			}
			c.track = new(track)
		}
		e.conns, e.readers = append(e.conns, c), append(e.readers, c)
		e.audience[c.channel]++
	}
	return nil
}

// addPublishers makes the publishers, not connected yet.
func (e *engine) addPublishers() error {
	a, err := adapter.Named(e.config.Adapter)
	if err != nil {
		return err
	}
	for i := range e.config.Publishers {
		p, err := e.newPublisher(i, &a)
		if err != nil {
			return err
		}
		link := a.Publish.Link
		if link == nil {
			link = new(adapter.Link)
		}
		p.c = &conn{fd: -1, index: int32(len(e.conns)), reader: -1, pub: p, link: link}
		e.conns, e.pubs = append(e.conns, p.c), append(e.pubs, p)
	}
	return nil
}

// connect opens connections, so many at a time, and returns when all are ready.
func (e *engine) connect(ctx context.Context, stage string, conns []*conn) error {
	before, opened := e.total.ready, 0
	err := e.until(ctx, func() bool {
		done := e.total.ready - before
		for opened < len(conns) && opened-done < e.config.Connecting && e.failure == nil {
			if err := e.open(conns[opened]); err != nil {
				e.failure = err
			}
			opened++
		}
		e.progress(stage, int64(done), int64(len(conns)))
		return done >= len(conns)
	})
	if errors.Is(err, errStuck) {
		return fmt.Errorf("%w: %d of %d connections stand, and %w", ErrNotConnected, e.total.ready-before, len(conns), err)
	}
	return err
}

func (e *engine) connectReaders(ctx context.Context) error {
	return e.connect(ctx, "connecting readers", e.readers)
}

func (e *engine) connectPublishers(ctx context.Context) error {
	conns := make([]*conn, len(e.pubs))
	for i, p := range e.pubs {
		conns[i] = p.c
	}
	return e.connect(ctx, "connecting publishers", conns)
}

func (e *engine) progress(stage string, done, total int64) {
	if e.config.Progress != nil {
		e.config.Progress(stage, done, total)
	}
}

// publish publishes for a time, as Config.Rate says, and returns when all was answered.
func (e *engine) publish(ctx context.Context, stage string, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	start := e.now()
	if e.config.Rate > 0 {
		e.pace(e.config.Rate, max(1, int64(e.config.Rate*d.Seconds())))
	} else {
		e.saturate(start + int64(d))
	}
	return e.finish(ctx, stage, start, int64(d))
}

// publishExactly publishes n messages on every channel, as fast as the publishers can.
func (e *engine) publishExactly(ctx context.Context, n int) error {
	e.publishEach(int64(n))
	return e.finish(ctx, "publishing", e.now(), 0)
}

func (e *engine) finish(ctx context.Context, stage string, start, d int64) error {
	err := e.until(ctx, func() bool {
		e.progress(stage, min(d, e.now()-start), d)
		if e.plan.active && !e.plan.saturated {
			e.moved = e.now() // at a low rate there are pauses
		}
		return e.plan.over()
	})
	if errors.Is(err, errStuck) {
		return fmt.Errorf("%d publishes are not answered: %w", e.plan.flying, err)
	}
	return err
}

// drain waits until the readers have what was answered, or nothing more comes; then what is missing is lost.
func (e *engine) drain(ctx context.Context) error {
	last, since := e.total.delivered, e.now()
	err := e.until(ctx, func() bool {
		quiet := e.config.Quiet
		if e.gapped > 0 {
			quiet = min(quiet, time.Second) // what lies in a gap does not come
		}
		now := e.now()
		if e.total.delivered != last {
			last, since = e.total.delivered, now
		}
		e.progress("waiting for what was published", e.total.delivered, e.total.due)
		e.moved = now
		return e.total.delivered >= e.total.due || now-since > int64(quiet)
	})
	// What is missing is found in the numbers; the next drain does not wait for it again.
	e.total.due = e.total.delivered
	return err
}

// usage reads what the server has used; ok is false where its process is not known.
func (e *engine) usage() (u proc.Usage, ok bool) {
	if len(e.config.PIDs) == 0 {
		return u, false
	}
	u, err := proc.Read(e.config.PIDs...)
	return u, err == nil
}

// ownCPU is the processor time of the generator's process.
func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}
