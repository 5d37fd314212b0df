package todoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// applyPatch is RFC 7396 §2, word for word: the second opinion.
func applyPatch(target, patch any) any {
	object, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	into, ok := target.(map[string]any)
	if !ok {
		into = map[string]any{}
	}
	for name, value := range object {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = applyPatch(into[name], value)
		}
	}
	return into
}

func decode(t testing.TB, raw []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

func randomPatch(r *rand.Rand, depth int) string {
	switch n := r.IntN(10); {
	case depth > 0 && n < 2:
		return "null"
	case depth > 0 && n < 5 || n == 0:
		return fmt.Sprint(r.IntN(3))
	case n == 9:
		return `[1,{"a":null}]`
	}
	var members []string
	for _, name := range []string{"a", "b", "c"}[:r.IntN(4)] {
		if depth < 3 {
			members = append(members, fmt.Sprintf("%q: %s", name, randomPatch(r, depth+1)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// Composed patches do what the patches in turn do, whatever they are applied to.
func TestMergePatchesCompose(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	composed := 0
	for range 20_000 {
		first, second := randomPatch(r, 0), randomPatch(r, 0)
		p := newMergePatch([]byte(first))
		ok := p.compose([]byte(second))
		if !ok {
			if got := decode(t, p.encode()); !reflect.DeepEqual(got, decode(t, []byte(first))) {
				t.Fatalf("%s then %s cannot be composed, and yet it is now %s", first, second, p.encode())
			}
			continue
		}
		composed++
		for range 5 {
			base := randomPatch(r, 0)
			want := applyPatch(applyPatch(decode(t, []byte(base)), decode(t, []byte(first))), decode(t, []byte(second)))
			got := applyPatch(decode(t, []byte(base)), decode(t, p.encode()))
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s then %s is %s: on %s it makes %v, not %v", first, second, p.encode(), base, got, want)
			}
		}
	}
	if composed < 10_000 {
		t.Errorf("only %d of 20,000 pairs were composed", composed)
	}
}

func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null},"c":[]}`), []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, first, second, base []byte) {
		if !json.Valid(first) || !json.Valid(second) || !json.Valid(base) {
			return
		}
		p := newMergePatch(first)
		if !p.compose(second) {
			return
		}
		if !json.Valid(p.encode()) {
			t.Fatalf("not JSON: %s", p.encode())
		}
		want := applyPatch(applyPatch(decode(t, base), decode(t, first)), decode(t, second))
		if got := applyPatch(decode(t, base), decode(t, p.encode())); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// A deep pair costs no more than a look at its first levels.
func TestMergePatchDepth(t *testing.T) {
	deep := []byte(strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000))
	if newMergePatch(deep).compose(deep) {
		t.Error("patches 5,000 deep were composed")
	}
}

// foldHub has a namespace for each mode; fold needs no log.
func foldHub(t testing.TB) *Hub {
	t.Helper()
	h, err := New(Options{Namespaces: map[string]Namespace{
		"latest": {Conflation: ConflateLatest},
		"append": {Conflation: ConflateAppend},
		"merge":  {Conflation: ConflateMerge},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestFold(t *testing.T) {
	h := foldHub(t)
	for _, c := range []struct{ name, in, want string }{
		{"latest keeps the newest of each key", "latest:a/k=1 latest:a/l=2 latest:a/k=3", "2:latest:a/l=2 3:latest:a/k=3"},
		{"append joins", "append:a/=x append:a/=y append:a/=z", "3:append:a/=xyz"},
		{"append joins neighbours only", "append:a/=x plain/=p append:a/=y append:a/=z", "1:append:a/=x 2:plain/=p 4:append:a/=yz"},
		{"append keeps keys apart", "append:a/1=x append:a/2=y append:a/2=z", "1:append:a/1=x 3:append:a/2=yz"},
		{"merge merges", `merge:a/={"x":1} merge:a/={"y":2}`, `2:merge:a/={"x":1,"y":2}`},
		{"merge is safe to cut", `merge:a/={"x":1} plain/=p merge:a/={"y":2}`, `1:merge:a/={"x":1,"y":2} 2:plain/=p`},
		{"what cannot be merged stays", `merge:a/={"x":1} merge:a/={"x":{"y":2}}`, `1:merge:a/={"x":1} 2:merge:a/={"x":{"y":2}}`},
		{"plain stays", "plain/k=1 plain/k=2", "1:plain/k=1 2:plain/k=2"},
	} {
		var in []*Message
		for i, word := range strings.Fields(c.in) {
			in = append(in, parseMessage(Offset(i+1), word))
		}
		var got []string
		for _, m := range h.fold(in) {
			got = append(got, fmt.Sprintf("%d:%s/%s=%s", m.Position.Offset, m.Channel, m.Key, m.Data))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, s, c.want)
		}
	}
}

func parseMessage(offset Offset, word string) *Message {
	name, data, _ := strings.Cut(word, "=")
	channel, key, _ := strings.Cut(name, "/")
	m := &Message{Channel: channel, Key: key, Data: []byte(data), Type: TypeText, Position: Position{Epoch: "e", Offset: offset}}
	if strings.HasPrefix(data, "{") {
		m.Type = "application/json"
	}
	return m
}

// A reader of any mixture, cut after any message and resumed at its position, again and again, ends with what a reader of
// every message has: the newest of each key, the whole text of each run, the same document, every plain message once.
func TestFoldCutAnywhere(t *testing.T) {
	h := foldHub(t)
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 7))
		var log []*Message
		for i := range 2 + r.IntN(20) {
			channel := []string{"latest:a", "append:a", "append:b", "merge:a", "merge:b", "plain"}[r.IntN(6)]
			word := fmt.Sprintf("%s/%d=%d,", channel, r.IntN(2), i)
			if strings.HasPrefix(channel, "merge") {
				word = fmt.Sprintf("%s/%d=%s", channel, r.IntN(2), strings.ReplaceAll(randomPatch(r, 0), " ", ""))
			}
			m := parseMessage(Offset(2*i+1), word)
			if strings.HasPrefix(channel, "merge") {
				m.Type = "application/json"
			}
			log = append(log, m)
		}
		want, got := newReader(), newReader()
		for _, m := range log {
			want.take(t, m)
		}
		at := Offset(0)
		for cuts := 0; ; cuts++ {
			var rest []*Message
			for _, m := range log {
				if m.Position.Offset > at {
					rest = append(rest, m)
				}
			}
			folded := h.fold(rest)
			if len(folded) == 0 {
				break
			}
			if cuts < 50 {
				folded = folded[:1+r.IntN(len(folded))]
			}
			for _, m := range folded {
				if m.Position.Offset <= at {
					t.Fatalf("seed %d: the position goes from %d to %d", seed, at, m.Position.Offset)
				}
				at = m.Position.Offset
				got.take(t, m)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, want)
		}
	}
}

// A reader is the state that a client makes of what it gets.
type reader struct {
	latest map[string]string
	text   map[string]string
	docs   map[string]any
	plain  []string
}

func newReader() *reader {
	return &reader{latest: map[string]string{}, text: map[string]string{}, docs: map[string]any{}}
}

func (r *reader) take(t testing.TB, m *Message) {
	name := m.Channel + "/" + m.Key
	switch NamespaceOf(m.Channel) {
	case "latest":
		r.latest[name] = m.Text()
	case "append":
		r.text[name] += m.Text()
	case "merge":
		r.docs[name] = applyPatch(r.docs[name], decode(t, m.Data))
	default:
		r.plain = append(r.plain, m.Text())
	}
}

// An append does not grow beyond what a message may have.
func TestFoldBounds(t *testing.T) {
	h := foldHub(t)
	var in []*Message
	for i := range 5 {
		m := parseMessage(Offset(i+1), "append:a/=")
		m.Data = bytes.Repeat([]byte("x"), 400_000)
		in = append(in, m)
	}
	for _, m := range h.fold(in) {
		if len(m.Data) > DefaultMaxMessageBytes {
			t.Errorf("%d bytes in one message", len(m.Data))
		}
	}
}
