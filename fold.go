package todoke

import "slices"

// fold conflates messages, which are in the order of the log, where their namespaces say so. The result can be cut anywhere:
// a reader that has its first n messages and resumes at the position of the n-th loses nothing, gets no part of an append
// twice, and of merge at most patches again whose effect it has already.
func (h *Hub) fold(messages []*Message) []*Message {
	conflates := func(m *Message) bool { return h.namespaceOf(m.Channel).conflation != ConflateNone }
	if len(messages) < 2 || !slices.ContainsFunc(messages, conflates) {
		return messages
	}
	f := folder{byKey: make(map[foldKey]*folded, 16)}
	for _, m := range messages {
		f.add(m, h.namespaceOf(m.Channel))
	}
	return f.result()
}

type foldKey struct{ channel, key string }

// A folder collects what messages become.
type folder struct {
	items []*folded
	byKey map[foldKey]*folded
	tail  *folded // what the last message went into
}

// A folded is one message to be, or several in one.
type folded struct {
	newest *Message
	place  Offset // where it stands in the order: its newest part for latest, else its first
	data   []byte // joined, if append folded
	patch  *mergePatch
	count  int
}

func (f *folder) add(m *Message, ns *namespace) {
	key := foldKey{m.Channel, m.Key}
	before := f.byKey[key]
	joined := false
	if before != nil {
		switch ns.conflation {
		case ConflateLatest:
			before.place, joined = m.Position.Offset, true
		case ConflateAppend:
			// Only neighbours: a message of anything else in between could be the reader's last.
			joined = before == f.tail && before.join(m, ns.maxBytes)
		case ConflateMerge:
			joined = before.merge(m)
		}
	}
	if joined {
		before.newest = m
		before.count++
		f.tail = before
		return
	}
	item := &folded{newest: m, place: m.Position.Offset, count: 1}
	f.items = append(f.items, item)
	f.byKey[key] = item
	f.tail = item
}

// join appends m's data. JSON does not become JSON by being joined, so it stays apart.
func (i *folded) join(m *Message, most int) bool {
	if m.IsJSON() || m.Type != i.newest.Type || m.Event != i.newest.Event {
		return false
	}
	if i.count == 1 {
		i.data = slices.Clone(i.newest.Data)
	}
	if len(i.data)+len(m.Data) > most {
		return false
	}
	i.data = append(i.data, m.Data...)
	return true
}

// merge composes m, a merge patch, with what there is.
func (i *folded) merge(m *Message) bool {
	if !m.IsJSON() || !i.newest.IsJSON() {
		return false
	}
	if i.patch == nil {
		i.patch = newMergePatch(i.newest.Data)
	}
	return i.patch.compose(m.Data)
}

// result makes the messages. A message is given the last position at which the reader lacks nothing that comes after it in the
// list: its own newest part's, or the one before the next message's place.
func (f *folder) result() []*Message {
	slices.SortStableFunc(f.items, func(a, b *folded) int { return int(a.place) - int(b.place) })
	messages := make([]*Message, len(f.items))
	for n, item := range f.items {
		messages[n] = item.newest
		if item.count == 1 {
			continue
		}
		m := *item.newest
		if n+1 < len(f.items) {
			m.Position.Offset = min(m.Position.Offset, f.items[n+1].place-1)
		}
		switch {
		case item.patch != nil:
			m.Data = item.patch.encode()
		case item.data != nil:
			m.Data = item.data
		}
		messages[n] = &m
	}
	return messages
}
