package todoke

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// A Board is the part of a Directory that this node has in memory: what each node told, and who watches it. Implementations of
// Directory put theirs together from it; alone it is the Directory of a node that has no others.
type Board struct {
	node string

	mu       sync.Mutex
	values   map[string]map[string][]byte // by node and key
	watchers map[*watcher]struct{}
	closed   bool
}

var _ Directory = (*Board)(nil)

// A watcher is a Watch under way: what it has not told yet.
type watcher struct {
	due  map[[2]string][]byte
	wake chan struct{} // capacity 1
}

// NewBoard returns the board of a node.
func NewBoard(node string) *Board {
	return &Board{node: node, values: make(map[string]map[string][]byte), watchers: make(map[*watcher]struct{})}
}

// Check reports why a value cannot be set: it, or all that the node has with it, is too large.
func (b *Board) Check(key string, value []byte) error {
	if key == "" || len(key) > MaxDirectoryKey {
		return errf(CodeInvalidParameter, "key", "it has 1 to %d bytes", MaxDirectoryKey)
	}
	if len(value) > MaxDirectoryValue {
		return errf(CodeTooLarge, "value", "it has %d bytes; at most %d are told to other nodes", len(value), MaxDirectoryValue)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errDirectoryClosed()
	}
	total := len(key) + len(value)
	for k, v := range b.values[b.node] {
		if k != key {
			total += len(k) + len(v)
		}
	}
	if len(value) > 0 && total > MaxDirectoryNode {
		return errf(CodeTooLarge, "value", "with it the node has %d bytes; at most %d are told to other nodes", total, MaxDirectoryNode)
	}
	return nil
}

func errDirectoryClosed() error { return &Error{Code: CodeClosed, Hint: "the directory is closed"} }

// Set implements Directory.
func (b *Board) Set(ctx context.Context, key string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	if err := b.Check(key, value); err != nil {
		return err
	}
	b.Put(b.node, key, value)
	return nil
}

// Put notes a value of any node; an empty one takes it away.
func (b *Board) Put(node, key string, value []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(node, key, value)
}

func (b *Board) put(node, key string, value []byte) {
	before, had := b.values[node][key]
	switch {
	case b.closed, had && string(before) == string(value), !had && len(value) == 0:
		return
	case len(value) == 0:
		delete(b.values[node], key)
		if len(b.values[node]) == 0 {
			delete(b.values, node)
		}
	default:
		if b.values[node] == nil {
			b.values[node] = make(map[string][]byte)
		}
		b.values[node][key] = value
	}
	for w := range b.watchers {
		w.note(node, key, value)
	}
}

// Replace notes all values of a node: what it does not have any more is gone. None: the node is gone.
func (b *Board) Replace(node string, values map[string][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range maps.Clone(b.values[node]) {
		if len(values[key]) == 0 {
			b.put(node, key, nil)
		}
	}
	for key, value := range values {
		b.put(node, key, value)
	}
}

// Of returns the values of a node.
func (b *Board) Of(node string) map[string][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.values[node])
}

// Entries implements Directory.
func (b *Board) Entries() (all []Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for node, values := range b.values {
		for key, value := range values {
			all = append(all, Entry{node, key, value})
		}
	}
	slices.SortFunc(all, func(x, y Entry) int { return cmp.Or(cmp.Compare(x.Node, y.Node), cmp.Compare(x.Key, y.Key)) })
	return all
}

// note has the watcher tell of a value, in place of what it had not told of it. The board's lock is held.
func (w *watcher) note(node, key string, value []byte) {
	w.due[[2]string{node, key}] = value
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Watch implements Directory.
func (b *Board) Watch(ctx context.Context, tell func(Entry)) error {
	w := &watcher{due: make(map[[2]string][]byte), wake: make(chan struct{}, 1)}
	b.mu.Lock()
	b.watchers[w] = struct{}{}
	for node, values := range b.values {
		for key, value := range values {
			w.note(node, key, value)
		}
	}
	closed := b.closed
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, w)
	}()
	for !closed {
		b.mu.Lock()
		due := w.due
		w.due, closed = make(map[[2]string][]byte), b.closed
		b.mu.Unlock()
		for at, value := range due {
			if ctx.Err() != nil {
				break
			}
			tell(Entry{at[0], at[1], value})
		}
		if closed {
			break
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errDirectoryClosed()
}

// Close implements Directory.
func (b *Board) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	for w := range b.watchers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return nil
}
