package request

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
)

// What is scanned is read as encoding/json reads it, and refused in its words.
func FuzzObjectAgainstJSON(f *testing.F) {
	for _, seed := range []string{
		`{"channel":"a","data":{"x":1},"type":"application/json","event":"e","key":"k","headers":{},"ttl":"5s","idempotency_key":"u1"}`,
		`{"messages":[{"channel":"a","data":"one"},{"channel":"b","data_base64":"AAE="}]}`, `{"channels":["a","b"],"data":"to both"}`,
		` { "a" : "\u00e9" , "a" : null } `, `{"\u0061":1,"a":2}`, `[{"a":1},[],null]`, `{}`, `{} x`, `null`, `{"a":"`, `{"a":"\ud800"}`,
		`{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			return // ParseEnvelope refuses it before
		}
		var scanned, read object
		err, want := scanned.parse(text), read.parseAny(text)
		if told(err) != told(want) {
			t.Fatalf("%q: got %v, want %v", text, err, want)
		}
		if err == nil && fmt.Sprintf("%q", scanned.fields) != fmt.Sprintf("%q", read.fields) {
			t.Fatalf("%q: got %q, want %q", text, scanned.fields, read.fields)
		}
		if err == nil {
			checkTexts(t, &scanned)
		}
		var items []json.RawMessage
		want = json.Unmarshal(text, &items)
		list, err := parseList(text)
		if told(err) != told(want) || err == nil && !slices.EqualFunc(list, items, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Fatalf("%q: got %q, %v, want %q, %v", text, list, err, items, want)
		}
	})
}

// told is all that a client is told of an error.
func told(err error) string {
	if err == nil {
		return ""
	}
	e := todoke.AsError(err)
	return fmt.Sprint(e.Code, e.Field, e.Hint)
}

// checkTexts compares the fields that are strings with what encoding/json makes of them.
func checkTexts(t *testing.T, o *object) {
	t.Helper()
	for _, f := range slices.Clone(o.fields) {
		var want string
		got, err := o.text(f.name)
		isText := f.value[0] == '"' && json.Unmarshal(f.value, &want) == nil
		if (err == nil) != isText || isText && got != want {
			t.Fatalf("%q: got %q, %v, want %q", f.value, got, err, want)
		}
	}
}
