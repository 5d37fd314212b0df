package load

import "math"

// A plan is what is to be published.
type plan struct {
	saturated bool
	random    bool  // the channels, instead of in turn
	quotas    bool  // each publisher has its own number
	left      int64 // messages to send yet
	end       int64 // when saturation ends
	active    bool

	begin    int64   // of a rate
	interval float64 // ns between two messages of a rate
	sent     int64

	flying int // messages that are not answered
	queued int // messages that are due and wait for a slot
}

// saturate publishes as many as it can until end.
func (e *engine) saturate(end int64) {
	e.plan = plan{saturated: true, active: true, left: math.MaxInt64, end: end, random: e.plan.random}
	e.kick()
}

// publishEach publishes n messages on every channel, as fast as it can.
func (e *engine) publishEach(n int64) {
	channels, pubs := int64(e.config.Channels), int64(len(e.pubs))
	e.plan = plan{saturated: true, active: n > 0, left: n * channels, end: math.MaxInt64, quotas: true}
	for i, p := range e.pubs {
		if number := int64(i); channels >= pubs {
			p.quota = n * ((channels - number + pubs - 1) / pubs) // of its own channels
			p.turn = 0
		} else {
			lane, lanes := number/channels, (pubs-number%channels+channels-1)/channels // of its channel
			p.quota = (n - lane + lanes - 1) / lanes
		}
	}
	e.kick()
}

// kick lets all publishers begin.
func (e *engine) kick() {
	now := e.now()
	for _, p := range e.pubs {
		e.refill(p, now)
	}
}

// pace publishes n messages at a rate.
func (e *engine) pace(rate float64, n int64) {
	e.plan = plan{active: n > 0, left: n, begin: e.now(), interval: 1e9 / rate, random: e.plan.random}
}

// take reports whether the publisher is to send another message with saturation.
func (p *plan) take(by *publisher) bool {
	if !p.active || p.quotas && by.quota == 0 {
		return false
	}
	by.quota--
	p.left--
	p.active = p.left > 0
	return true
}

// next is when something is to be done.
func (p *plan) next(now int64) int64 {
	switch {
	case !p.active:
		return math.MaxInt64
	case p.saturated:
		return p.end
	}
	return p.dueAt(p.sent)
}

func (p *plan) dueAt(n int64) int64 { return p.begin + int64(float64(n)*p.interval) }

// over reports whether everything was sent and answered.
func (p *plan) over() bool { return !p.active && p.flying == 0 && p.queued == 0 }

// publishDue sends what is due.
func (e *engine) publishDue(now int64) {
	p := &e.plan
	if !p.active {
		return
	}
	if p.saturated {
		p.active = now < p.end
		return
	}
	for p.active && p.dueAt(p.sent) <= now {
		publisher := e.pubs[p.sent%int64(len(e.pubs))]
		publisher.due = append(publisher.due, p.dueAt(p.sent))
		p.queued++
		p.sent++
		p.left--
		p.active = p.left > 0
		e.refill(publisher, now)
	}
}
