package todoke

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"time"
)

// DefaultIdempotencyKeys bounds the keys that a memory engine remembers.
const DefaultIdempotencyKeys = 1_000_000

// MemoryOptions are the options of the memory engine. The zero value works.
type MemoryOptions struct {
	// IdempotencyWindow is how long an idempotency key is remembered. 0: 5 minutes. Negative: not at all.
	IdempotencyWindow time.Duration
	// IdempotencyKeys is how many are remembered at most; the oldest is forgotten first. 0: 1,000,000.
	IdempotencyKeys int
}

// Memory is the engine that keeps the log in the memory of the process: the fastest, and gone with it. Its epoch
// is new each time. A channel costs nothing once its messages have expired.
//
// Tail's sink is called from within Publish, while the log is held: a message is applied before Publish returns,
// and a slow sink slows publishers down.
type Memory struct {
	retention func(string) *Retention
	epoch     string
	sweeper   *sweeper

	mu       sync.Mutex
	opened   bool
	closed   bool
	done     chan struct{} // closed by Close
	head     Offset
	lastTime time.Time
	channels map[string]*memChannel
	peak     int // the most channels that the table has held
	classes  map[*Retention]*memClass
	keys     keyWindow
	sinks    []*memSink
}

// A memClass is what the channels of a namespace have in common. Each has a horizon of its own, so that a namespace
// of short retention does not make the readers of the others unsure.
type memClass struct {
	limits  Retention
	horizon Offset // the greatest offset lost with the state of a channel
}

// memSink is a registered sink; a pointer, so that one sink may be registered twice.
type memSink struct{ Sink }

// NewMemory returns a memory engine. The Hub opens it.
func NewMemory(o MemoryOptions) *Memory {
	if o.IdempotencyWindow == 0 {
		o.IdempotencyWindow = DefaultIdempotencyWindow
	}
	if o.IdempotencyKeys <= 0 {
		o.IdempotencyKeys = DefaultIdempotencyKeys
	}
	m := &Memory{
		epoch:    newEpoch(),
		done:     make(chan struct{}),
		channels: make(map[string]*memChannel),
		classes:  make(map[*Retention]*memClass),
		keys:     keyWindow{window: o.IdempotencyWindow, most: o.IdempotencyKeys},
	}
	m.sweeper = newSweeper(m)
	return m
}

// newEpoch returns eight random letters and digits: 40 bits, so that no two histories of one server meet.
func newEpoch() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b[:])
}

// Open implements Engine.
func (m *Memory) Open(_ context.Context, retention func(string) *Retention) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.errClosed()
	}
	if m.opened {
		return errf(CodeInternal, "", "the engine is open already; each hub needs an engine of its own")
	}
	m.opened = true
	m.retention = retention
	m.sweeper.start(time.Now())
	return nil
}

// Caps implements Engine: nothing survives the process, and nothing waits.
func (m *Memory) Caps() Caps { return Caps{Fenced: true, Immediate: true} }

// Publish implements Engine.
func (m *Memory) Publish(ctx context.Context, batch []*Message, results []Result) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	now := time.Now()
	if now.Before(m.lastTime) {
		now = m.lastTime // the wall clock was set back: the log's time does not follow
	}
	m.lastTime = now
	appended := batch
	for i, msg := range batch {
		if msg.IdempotencyKey == "" || !m.isDuplicate(msg, now, &results[i]) {
			results[i] = m.append(msg, now)
			if len(appended) != len(batch) {
				appended = append(appended, msg)
			}
			continue
		}
		if len(appended) == len(batch) { // the first duplicate: from here on a list of its own
			appended = append(make([]*Message, 0, len(batch)-1), batch[:i]...)
		}
	}
	if len(appended) == 0 {
		return nil
	}
	for _, sink := range m.sinks {
		sink.Apply(appended)
		sink.Advance(m.head)
	}
	return nil
}

// append gives msg its offset and stores it. m.mu is held.
func (m *Memory) append(msg *Message, now time.Time) Result {
	m.head++
	msg.Position = Position{Epoch: m.epoch, Offset: m.head}
	msg.Time = now
	if msg.IdempotencyKey != "" {
		m.keys.add(keyOf{msg.Channel, msg.IdempotencyKey}, keyUse{m.head, now})
		m.sweeper.wantBy(now.Add(m.keys.window))
		msg.IdempotencyKey = ""
	}
	ch := m.channels[msg.Channel]
	if ch == nil {
		class := m.classOf(msg.Channel)
		if class.limits.Messages < 0 {
			class.horizon = m.head
			return Result{Position: msg.Position, Time: now}
		}
		ch = &memChannel{name: msg.Channel, class: class, floor: class.horizon}
		m.channels[msg.Channel] = ch
		m.peak = max(m.peak, len(m.channels))
	}
	ch.append(msg)
	if ch.empty() { // the message alone is over the limit in bytes
		m.drop(ch)
		return Result{Position: msg.Position, Time: now}
	}
	m.sweeper.schedule(ch)
	return Result{Position: msg.Position, Time: now}
}

// isDuplicate reports whether msg's key was used, and puts the first use into result. m.mu is held.
func (m *Memory) isDuplicate(msg *Message, now time.Time, result *Result) bool {
	use, found := m.keys.find(keyOf{msg.Channel, msg.IdempotencyKey}, now)
	if found {
		*result = Result{Position: Position{Epoch: m.epoch, Offset: use.offset}, Time: use.time, Duplicate: true}
	}
	return found
}

// drop forgets a channel that has no messages left; the horizon tells of what it lost. m.mu is held.
func (m *Memory) drop(ch *memChannel) {
	if m.channels[ch.name] == ch {
		delete(m.channels, ch.name)
	}
	ch.class.horizon = max(ch.class.horizon, ch.trimmed)
}

// classOf returns what a channel has in common with its namespace. m.mu is held.
func (m *Memory) classOf(channel string) *memClass {
	retention := m.retention(channel)
	class := m.classes[retention]
	if class == nil {
		class = &memClass{limits: retention.WithDefaults()}
		m.classes[retention] = class
	}
	return class
}

// shrink makes the table of channels anew when most of it is empty: Go's maps never give memory back. m.mu is held.
func (m *Memory) shrink() {
	if m.peak < 1024 || len(m.channels) > m.peak/4 {
		return
	}
	channels := make(map[string]*memChannel, len(m.channels))
	maps.Copy(channels, m.channels)
	m.channels, m.peak = channels, len(channels)
}

// Head implements Engine.
func (m *Memory) Head(ctx context.Context) (Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return Position{}, err
	}
	return Position{Epoch: m.epoch, Offset: m.head}, ctx.Err()
}

// Close implements Engine.
func (m *Memory) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	opened := m.opened
	close(m.done)
	m.channels, m.sinks = nil, nil
	m.keys = keyWindow{}
	m.mu.Unlock()
	if opened {
		m.sweeper.stop()
	}
	return nil
}

// usable reports why the engine cannot be used. m.mu is held.
func (m *Memory) usable() error {
	switch {
	case m.closed:
		return m.errClosed()
	case !m.opened:
		return errf(CodeInternal, "", "the engine was not opened; a hub does that")
	}
	return nil
}

func (m *Memory) errClosed() error {
	return &Error{Code: CodeClosed, Hint: "the log is closed"}
}

var _ Engine = (*Memory)(nil)
