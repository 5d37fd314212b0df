package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke/internal/jsonscan"
)

var seeds = []string{
	`{"id":3,"publish":{"channel":"a","data":{"x":[1,-0.5e+3,true,false,null,"é\u00e9\n"]}}}`, ` { "a" : 1 , "b" : [ ] , "c" : { } } `, `{}`, `[]`,
	`[1,2,{"a":"b"}]`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a" 1}`, `{"a":1,}`, `{"a":1}x`, `{"a":tru}`, `{"\u0061":1}`,
	`[1,]`, `[`, `{"a":[}`, `{"a":"`, `{"a":"\`, "{\"a\":\"\x01\"}", "{\"\xff\":1}", `{"a":1}{"b":2}`, `null`, `"a"`, ``, `{"a":-0}`, `{"a":{"b":}}`, `{1:2}`, `[1 2]`,
}

func TestWhatIsPlainIsTaken(t *testing.T) {
	for _, text := range []string{seeds[0], seeds[1], `{}`, `{"a":"\"\\\/\b\f\n\r\t\u12aF"}`, `{"a":-0.0E-1,"b":10}`} {
		if !jsonscan.Object([]byte(text), func(_, _ []byte) bool { return true }) {
			t.Errorf("%s is not taken", text)
		}
	}
	for _, text := range []string{`[]`, ` [ 1 , "a" ] `, `[[[]],{}]`} {
		if !jsonscan.Array([]byte(text), func([]byte) bool { return true }) {
			t.Errorf("%s is not taken", text)
		}
	}
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	if jsonscan.Array([]byte(deep), func([]byte) bool { return true }) {
		t.Error("a thousand arrays in each other are taken")
	}
}

// Whatever is taken is what encoding/json takes it for.
func FuzzAgainstJSON(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var names []string
		var values []json.RawMessage
		if jsonscan.Object(text, func(name, value []byte) bool {
			names, values = append(names, string(name)), append(values, value)
			return true
		}) {
			checkObject(t, text, names, values)
		}
		if jsonscan.Valid(text) && !json.Valid(text) {
			t.Fatalf("%q is not valid", text)
		}
		values = nil
		if jsonscan.Array(text, func(value []byte) bool {
			values = append(values, value)
			return true
		}) {
			checkArray(t, text, values)
		}
		if plain, ok := jsonscan.String(text); ok {
			var want string
			if err := json.Unmarshal(text, &want); err != nil || strings.ToValidUTF8(string(plain), "") != strings.ReplaceAll(want, "\uFFFD", "") && !bytes.Contains(plain, []byte("\uFFFD")) {
				t.Fatalf("%q is %q, want %q, %v", text, plain, want, err)
			}
		}
	})
}

func checkObject(t *testing.T, text []byte, names []string, values []json.RawMessage) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	if token, err := d.Token(); err != nil || token != json.Delim('{') || !json.Valid(text) {
		t.Fatalf("%q is no object: %v", text, err)
	}
	for i := 0; d.More(); i++ {
		token, err := d.Token()
		if name, _ := token.(string); err != nil || i >= len(names) || name != strings.ToValidUTF8(names[i], "\uFFFD") && bytesAreText(names[i]) {
			t.Fatalf("%q: member %d is %q, of %q: %v", text, i, token, names, err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil || !bytes.Equal(value, values[i]) {
			t.Fatalf("%q: value %d is %q, not %q: %v", text, i, value, values[i], err)
		}
		names[i] = ""
	}
	if strings.Join(names, "") != "" {
		t.Fatalf("%q has no members %q", text, names)
	}
}

// bytesAreText tells names that encoding/json does not change.
func bytesAreText(name string) bool { return strings.ToValidUTF8(name, "") == name }

func checkArray(t *testing.T, text []byte, values []json.RawMessage) {
	t.Helper()
	var want []json.RawMessage
	if err := json.Unmarshal(text, &want); err != nil || len(want) != len(values) {
		t.Fatalf("%q: %d elements, want %d: %v", text, len(values), len(want), err)
	}
	for i := range want {
		if !bytes.Equal(want[i], values[i]) {
			t.Fatalf("%q: element %d is %q, want %q", text, i, values[i], want[i])
		}
	}
}
