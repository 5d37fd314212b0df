// Package sequence checks that numbers come once and in order, and tells what was lost from what came twice or late.
package sequence

import "slices"

// A Fault counts what was wrong.
type Fault struct {
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`
	Reordered  int64 `json:"reordered"`
}

// Add adds what g counted.
func (f *Fault) Add(g Fault) {
	f.Lost += g.Lost
	f.Duplicated += g.Duplicated
	f.Reordered += g.Reordered
}

// A Missing keeps the numbers that were skipped and may still come. It is kept beside the counters, since a good server never
// needs one.
type Missing struct {
	ranges []span
}

type span struct{ from, to uint64 } // to is not in it

// skip notes that from … to-1 were passed over.
func (m *Missing) skip(from, to uint64) { m.ranges = append(m.ranges, span{from, to}) }

// take removes n, and reports whether it was missing.
func (m *Missing) take(n uint64) bool {
	for i, s := range m.ranges {
		if n < s.from || n >= s.to {
			continue
		}
		m.ranges = slices.Delete(m.ranges, i, i+1)
		if s.from < n {
			m.ranges = append(m.ranges, span{s.from, n})
		}
		if n+1 < s.to {
			m.ranges = append(m.ranges, span{n + 1, s.to})
		}
		return true
	}
	return false
}

// Check takes number n, where next was expected, and returns what is expected now. Missing is made when it is first needed.
func Check(next, n uint64, missing **Missing, f *Fault) uint64 {
	if n == next {
		return n + 1
	}
	if n > next {
		if *missing == nil {
			*missing = new(Missing)
		}
		(*missing).skip(next, n)
		f.Lost += int64(n - next)
		return n + 1
	}
	if *missing != nil && (*missing).take(n) {
		f.Lost-- // it came after all, behind a later one
		f.Reordered++
	} else {
		f.Duplicated++
	}
	return next
}

// Count is how many numbers are missing.
func (m *Missing) Count() (n int64) {
	if m == nil {
		return 0
	}
	for _, s := range m.ranges {
		n += int64(s.to - s.from)
	}
	return n
}
