package todoke

import "time"

const (
	sweepTick  = 250 * time.Millisecond // how exactly memory is released; reading expires exactly by itself
	sweepSlots = 4096                   // a wheel's turn is 17 minutes; what is due later is looked at once a turn
	sweepBatch = 256                    // channels looked at before others may have the log
)

// A sweeper releases what has expired in channels that nobody touches. Channels stand in the slots of a wheel by the time
// at which their oldest message expires, so that each costs a constant, and it sleeps until the next slot that has any.
// Everything but the channels is guarded by Memory.mu.
type sweeper struct {
	m       *Memory
	base    time.Time
	slots   [sweepSlots]*memChannel
	now     int64 // the tick up to which everything was swept
	wakeAt  int64 // the tick that run sleeps until; 0: it sleeps until kicked
	kick    chan struct{}
	stopped chan struct{}
}

func newSweeper(m *Memory) *sweeper {
	return &sweeper{m: m, kick: make(chan struct{}, 1), stopped: make(chan struct{})}
}

func (s *sweeper) start(base time.Time) {
	s.base = base
	go s.run()
}

// stop returns when run has ended; Memory.done is closed.
func (s *sweeper) stop() { <-s.stopped }

// tick is the first tick at which t is past.
func (s *sweeper) tick(t time.Time) int64 { return int64(t.Sub(s.base)/sweepTick) + 1 }

// schedule puts the channel into the slot of its oldest message.
func (s *sweeper) schedule(ch *memChannel) {
	if ch.scheduled {
		return
	}
	due, ok := ch.due()
	if !ok {
		return
	}
	tick := min(max(s.tick(due), s.now+1), s.now+sweepSlots-1)
	slot := &s.slots[tick%sweepSlots]
	ch.next, ch.scheduled = *slot, true
	*slot = ch
	s.wakeBy(tick)
}

// wantBy has run wake up at t, to forget idempotency keys.
func (s *sweeper) wantBy(t time.Time) { s.wakeBy(s.tick(t)) }

func (s *sweeper) wakeBy(tick int64) {
	if s.wakeAt != 0 && s.wakeAt <= tick {
		return
	}
	s.wakeAt = tick
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *sweeper) run() {
	defer close(s.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := s.sweep()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.kick:
		case <-s.m.done:
			return
		}
	}
}

// sweep goes through the slots that are due and returns how long to sleep.
func (s *sweeper) sweep() time.Duration {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed {
		return time.Hour
	}
	until := s.tick(time.Now()) - 1
	for s.now < until {
		s.now++ // first, so that what is due again now goes into a later slot
		slot := &s.slots[s.now%sweepSlots]
		list := *slot
		*slot = nil
		if !s.sweepList(list) {
			return time.Hour
		}
	}
	s.m.keys.forget(time.Now())
	s.m.shrink()
	s.wakeAt = s.nextTick()
	if s.wakeAt == 0 {
		return time.Hour
	}
	return time.Until(s.base.Add(time.Duration(s.wakeAt) * sweepTick))
}

// sweepList expires the channels of a slot, letting others have the log now and then. It returns false when the engine was
// closed meanwhile.
func (s *sweeper) sweepList(ch *memChannel) bool {
	for n := 1; ch != nil; n++ {
		next := ch.next
		ch.next, ch.scheduled = nil, false
		if s.m.channels[ch.name] == ch {
			ch.expire(time.Now())
			if ch.empty() {
				s.m.drop(ch)
			} else {
				s.schedule(ch)
			}
		}
		ch = next
		if n%sweepBatch == 0 {
			s.m.mu.Unlock()
			s.m.mu.Lock()
			if s.m.closed {
				return false
			}
		}
	}
	return true
}

// nextTick finds the next slot with channels, or the time of the oldest idempotency key; 0 if there is neither.
func (s *sweeper) nextTick() int64 {
	next := int64(0)
	if at, ok := s.m.keys.oldest(); ok {
		next = s.tick(at)
	}
	for tick := s.now + 1; tick < s.now+sweepSlots && (next == 0 || tick < next); tick++ {
		if s.slots[tick%sweepSlots] != nil {
			return tick
		}
	}
	return next
}
