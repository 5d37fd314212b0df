package enginetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

var modelScenarios = []scenario{
	{name: "random operations agree with a slice", run: randomOperations},
}

// seedVariable repeats one run of the random operations: the seed that a failure told.
const seedVariable = "TODOKE_ENGINETEST_SEED"

func randomOperations(t *testing.T, h Harness) {
	seeds, steps := 4, 1500
	if h.small() {
		seeds, steps = 1, 300
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedVariable); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seeds, seed = 1, n
	}
	for i := range seeds {
		t.Run(fmt.Sprintf("%s=%d", seedVariable, seed+uint64(i)), func(t *testing.T) {
			newModel(t, h, seed+uint64(i)).walk(steps)
		})
	}
}

// Retentions of the model. Sizes on namespace b are such that it does not matter what little names count for.
var modelRules = rules{
	"m":    {Messages: 7, Bytes: -1, Age: -1},
	"b":    {Messages: 50, Bytes: 5*4096 + 2048, Age: -1},
	"both": {Messages: 3, Bytes: 2*4096 + 2048, Age: -1},
	"one":  {Messages: 1, Bytes: -1, Age: -1},
	"none": {Messages: -1, Bytes: -1, Age: -1},
}

var modelChannels = []string{"free", "free:x", "m:1", "m:2", "m:2:x", "b:1", "b:2", "both:1", "one:1", "one:2", "none:1"}

var modelPatterns = []string{"**", "*", "*:*", "m:*", "m:**", "*:1", "b:2", "none:*", "nothing", "*:2:**"}

// A model is an engine beside the plainest log that does the same: fixture.log, a slice.
type model struct {
	*fixture
	rng   *rand.Rand
	keys  map[[2]string]*todoke.Message
	tail  *tail
	from  todoke.Offset // where tail began
	trace []string      // the last operations
}

func newModel(t *testing.T, h Harness, seed uint64) *model {
	return &model{
		fixture: open(t, h, modelRules),
		rng:     rand.New(rand.NewPCG(seed, 0)),
		keys:    map[[2]string]*todoke.Message{},
	}
}

// walk takes steps, and tells the last ones when one fails.
func (m *model) walk(steps int) {
	defer func() {
		if m.t.Failed() {
			m.t.Logf("the last operations:\n%s", strings.Join(m.trace, "\n"))
		}
	}()
	m.tail = m.fixture.tail(todoke.Position{})
	for range steps {
		switch n := m.rng.IntN(100); {
		case n < 50:
			m.append()
		case n < 86:
			m.read()
		case n < 95:
			m.list()
		case n < 98:
			m.look()
		default:
			m.restart()
		}
	}
	m.settle()
}

func (m *model) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
	if len(m.trace) > 30 {
		m.trace = m.trace[1:]
	}
}

func pick(rng *rand.Rand, from []string) string { return from[rng.IntN(len(from))] }

// append publishes a random batch and holds duplicates to the keys of before.
func (m *model) append() {
	m.t.Helper()
	batch := make([]*todoke.Message, 1+m.rng.IntN(4)*m.rng.IntN(3))
	for i := range batch {
		channel := pick(m.rng, modelChannels)
		size := m.rng.IntN(50)
		if ns := todoke.NamespaceOf(channel); ns == "b" || ns == "both" {
			size = 4096 * (1 + m.rng.IntN(2))
		}
		batch[i] = text(channel, strings.Repeat(string(rune('a'+m.rng.IntN(26))), size))
		if m.rng.IntN(3) == 0 {
			batch[i].IdempotencyKey = fmt.Sprint("k", m.rng.IntN(200))
		}
		m.note("publish %d of %d: %s, %d bytes, key %q", i+1, len(batch), channel, size, batch[i].IdempotencyKey)
	}
	next := len(m.log)
	for i, r := range m.publish(batch...) {
		name := [2]string{batch[i].Channel, batch[i].IdempotencyKey}
		first := m.keys[name]
		switch {
		case first != nil:
			repeats(m.t, fmt.Sprint(name), r, first)
		case r.Duplicate:
			m.t.Fatalf("%v: %+v, and the key is new", name, r)
		default:
			if name[1] != "" {
				m.keys[name] = m.log[next]
			}
			next++
		}
	}
}

// kept is what the retention leaves of a channel: the newest messages within its limits.
func (m *model) kept(channel string) (sent, kept []*todoke.Message) {
	sent = m.of(channel)
	keep := m.retention(channel)
	count, size := 0, 0
	for i := len(sent) - 1; i >= 0 && count < keep.Messages; i-- {
		size += len(sent[i].Data)
		if keep.Bytes > 0 && size > keep.Bytes {
			break
		}
		count++
	}
	return sent, newest(sent, count)
}

// read reads a random range and compares.
func (m *model) read() {
	m.t.Helper()
	channel := pick(m.rng, append(modelChannels, "m:never", "never"))
	head := m.head().Offset
	r := todoke.Range{Channel: channel, UpTo: head, Limit: plenty, Newest: m.rng.IntN(2) == 0}
	r.After = todoke.Offset(m.rng.Uint64N(uint64(head) + 1))
	if m.rng.IntN(2) == 0 { // near the head, where retention is
		r.After = head - min(head, todoke.Offset(m.rng.IntN(100)))
	}
	if m.rng.IntN(3) == 0 {
		r.UpTo = r.After + todoke.Offset(m.rng.Uint64N(uint64(head-r.After)+1))
	}
	if m.rng.IntN(2) == 0 {
		r.Limit = 1 + m.rng.IntN(9)
	}
	if m.rng.IntN(3) == 0 {
		r.MaxBytes = 1 + m.rng.IntN(10_000)
	}
	m.note("read %s", show(r))
	p := m.page(r)
	sent, kept := m.kept(channel)
	want := within(kept, r.After, r.UpTo)
	if p.More != (len(p.Messages) < len(want)) || len(want) > 0 && len(p.Messages) == 0 {
		m.t.Fatalf("Read(%s): %d of %d, more %v", show(r), len(p.Messages), len(want), p.More)
	}
	part := want[:min(len(want), len(p.Messages))]
	if r.Newest {
		part = newest(want, len(p.Messages))
	}
	compare(m.t, "Read("+show(r)+")", p.Messages, part)
	if fault := lossFault(p.Lost, sent, kept, r); fault != "" {
		m.t.Fatalf("Read(%s): %s", show(r), fault)
	}
}

// list asks for the channels of a random pattern.
func (m *model) list() {
	m.t.Helper()
	pattern := pick(m.rng, modelPatterns)
	after := todoke.Offset(m.rng.Uint64N(uint64(m.head().Offset) + 1))
	m.note("channels %s after %d", pattern, after)
	m.listed(pattern, after)
}

// look compares the head.
func (m *model) look() {
	m.t.Helper()
	m.note("head")
	if head := m.head(); head.Offset < m.last() || head.Epoch != m.epoch {
		m.t.Fatalf("Head is %v; %d was acknowledged in %q", head, m.last(), m.epoch)
	}
}

// restart ends the tail and starts another somewhere in the log, or opens the store again.
func (m *model) restart() {
	m.t.Helper()
	m.settle()
	if m.h.Reopen != nil && m.rng.IntN(3) == 0 {
		m.note("reopen")
		m.reopen()
	}
	m.from = todoke.Offset(m.rng.Uint64N(uint64(m.head().Offset) + 1))
	m.note("tail from %d", m.from)
	m.tail = m.fixture.tail(todoke.Position{Epoch: m.epoch, Offset: m.from})
}

// settle compares what the tail gave with the log, and ends it.
func (m *model) settle() {
	m.t.Helper()
	m.note("compare the tail from %d", m.from)
	m.tail.covers(within(m.log, m.from, todoke.MaxOffset))
	m.tail.stop()
}
