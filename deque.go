package todoke

// A deque is a list that grows at its end and shrinks at its front. The zero value is empty. What was popped is let go of at
// once, its place when half of the list is empty, so both cost a constant on average.
type deque[T any] struct {
	items []T
	front int
}

func (d *deque[T]) len() int { return len(d.items) - d.front }

func (d *deque[T]) at(i int) T { return d.items[d.front+i] }

func (d *deque[T]) push(item T) {
	if d.front > 0 && len(d.items) == cap(d.items) && d.front >= len(d.items)/2 {
		d.compact()
	}
	d.items = append(d.items, item)
}

func (d *deque[T]) pop() T {
	var zero T
	item := d.items[d.front]
	d.items[d.front] = zero
	d.front++
	if d.front == len(d.items) {
		d.items, d.front = d.items[:0], 0
	}
	return item
}

// slice is the items from i to j, valid until the next pop or push.
func (d *deque[T]) slice(i, j int) []T { return d.items[d.front+i : d.front+j] }

func (d *deque[T]) compact() {
	n := copy(d.items, d.items[d.front:])
	clear(d.items[n:])
	d.items, d.front = d.items[:n], 0
}
