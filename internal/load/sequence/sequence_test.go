package sequence

import "testing"

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []uint64
		want    Fault
		next    uint64
		missing int64
	}{
		{"in order", []uint64{0, 1, 2, 3}, Fault{}, 4, 0},
		{"one lost", []uint64{0, 2, 3}, Fault{Lost: 1}, 4, 1},
		{"the first lost", []uint64{3}, Fault{Lost: 3}, 4, 3},
		{"duplicated", []uint64{0, 1, 1, 2}, Fault{Duplicated: 1}, 3, 0},
		{"an old one again", []uint64{0, 1, 2, 0}, Fault{Duplicated: 1}, 3, 0},
		{"two in the wrong order", []uint64{0, 2, 1, 3}, Fault{Reordered: 1}, 4, 0},
		{"the middle of what is missing", []uint64{0, 5, 3, 3}, Fault{Lost: 3, Reordered: 1, Duplicated: 1}, 6, 3},
		{"all that is missing, backwards", []uint64{4, 3, 2, 1, 0}, Fault{Reordered: 4}, 5, 0},
		{"lost and then duplicated", []uint64{0, 2, 2}, Fault{Lost: 1, Duplicated: 1}, 3, 1},
	} {
		var f Fault
		var missing *Missing
		next := uint64(0)
		for _, n := range c.numbers {
			next = Check(next, n, &missing, &f)
		}
		if f != c.want || next != c.next || missing.Count() != c.missing {
			t.Errorf("%s: %+v, next %d, missing %d; want %+v, %d, %d", c.name, f, next, missing.Count(), c.want, c.next, c.missing)
		}
	}
}

// Whatever comes, each number is lost, in order, or reordered, once.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{0, 2, 1, 1, 9, 4})
	f.Fuzz(func(t *testing.T, numbers []byte) {
		var fault Fault
		var missing *Missing
		next := uint64(0)
		seen := map[uint64]bool{}
		duplicated := int64(0)
		for _, n := range numbers {
			if seen[uint64(n)] {
				duplicated++
			}
			seen[uint64(n)] = true
			next = Check(next, uint64(n), &missing, &fault)
		}
		if lost := int64(next) - int64(len(seen)); fault.Lost != lost || fault.Duplicated != duplicated || missing.Count() != lost {
			t.Errorf("%v: %+v, missing %d; want %d lost, %d duplicated", numbers, fault, missing.Count(), lost, duplicated)
		}
	})
}
