package todoke

import "time"

type keyOf struct{ channel, key string }

type keyUse struct {
	offset Offset
	time   time.Time
}

// A keyWindow remembers idempotency keys for a time, and no more than so many. Uses come in the order of time, so
// the oldest is always at the front.
type keyWindow struct {
	window time.Duration
	most   int
	uses   map[keyOf]keyUse
	order  deque[keyOf]
}

func (w *keyWindow) find(key keyOf, now time.Time) (keyUse, bool) {
	use, found := w.uses[key]
	return use, found && now.Sub(use.time) < w.window
}

func (w *keyWindow) add(key keyOf, use keyUse) {
	if w.window < 0 {
		return
	}
	w.forget(use.time)
	if w.order.len() >= w.most {
		delete(w.uses, w.order.pop())
	}
	if w.uses == nil {
		w.uses = make(map[keyOf]keyUse)
	}
	w.uses[key] = use
	w.order.push(key)
}

// forget lets go of the keys whose window is over. When none is left it lets go of the table too, which never shrinks by itself.
func (w *keyWindow) forget(now time.Time) {
	for w.order.len() > 0 && now.Sub(w.uses[w.order.at(0)].time) >= w.window {
		delete(w.uses, w.order.pop())
	}
	if w.order.len() == 0 {
		w.uses, w.order = nil, deque[keyOf]{}
	}
}

// oldest is when the first key is to be forgotten; ok is false when there is none.
func (w *keyWindow) oldest() (at time.Time, ok bool) {
	if w.order.len() == 0 {
		return time.Time{}, false
	}
	return w.uses[w.order.at(0)].time.Add(w.window), true
}
