package request

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/jsonscan"
)

// An object is a JSON object whose fields are taken one by one, so that what is left over is what is not known.
// Unlike encoding/json it tells "Data" from "data", and refuses a name that stands twice (RFC 8259 §4 leaves open which counts).
type object struct {
	fields []field // in order
	room   [6]field
}

type field struct {
	name  string
	value json.RawMessage // nil: taken
}

// parse reads text, which is UTF-8.
func (o *object) parse(text []byte) error {
	o.fields = o.room[:0]
	if jsonscan.Object(text, o.add) {
		return nil
	}
	return o.parseAny(text) // what is unusual, or wrong
}

// mostFields is more than any document has that is right.
const mostFields = 16

// add adds a field; false: its name stands twice, or there are too many to look.
func (o *object) add(name, value []byte) bool {
	if len(o.fields) == mostFields {
		return false
	}
	for i := range o.fields {
		if o.fields[i].name == string(name) {
			return false
		}
	}
	o.fields = append(o.fields, field{known(name), value})
	return true
}

// known returns a name as a string, those of our own without an allocation.
func known(name []byte) string {
	for _, field := range messageFields {
		if field == string(name) {
			return field
		}
	}
	return string(name)
}

// parseAny is parse by encoding/json, which knows what is wrong.
func (o *object) parseAny(text []byte) error {
	if !json.Valid(text) {
		var v json.RawMessage
		return &todoke.Error{Code: todoke.CodeInvalidJSON, Hint: "it is not valid JSON", Err: json.Unmarshal(text, &v)}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return badMessage("", "it is not a JSON object")
	}
	o.fields = nil
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return &todoke.Error{Code: todoke.CodeInvalidJSON, Hint: "it is not valid JSON", Err: err}
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return &todoke.Error{Code: todoke.CodeInvalidJSON, Hint: "it is not valid JSON", Err: err}
		}
		if seen[name] {
			return badMessage(clip(name), "it stands twice")
		}
		seen[name] = true
		o.fields = append(o.fields, field{name, value})
	}
	return nil
}

// parseList returns the elements of an array; null has none.
func parseList(text []byte) (items []json.RawMessage, err error) {
	if jsonscan.Array(text, func(value []byte) bool {
		items = append(items, value)
		return true
	}) {
		return items, nil
	}
	items = nil
	return items, json.Unmarshal(text, &items)
}

func (o *object) find(name string) int {
	return slices.IndexFunc(o.fields, func(f field) bool { return f.name == name && f.value != nil })
}

func (o *object) has(name string) bool { return o.find(name) >= 0 }

// take removes a field and returns its value.
func (o *object) take(name string) (json.RawMessage, bool) {
	i := o.find(name)
	if i < 0 {
		return nil, false
	}
	value := o.fields[i].value
	o.fields[i].value = nil
	return value, true
}

// text takes a field that is a string; "" if it is not there.
func (o *object) text(name string) (string, error) {
	value, found := o.take(name)
	if !found {
		return "", nil
	}
	if plain, ok := jsonscan.String(value); ok {
		return string(plain), nil
	}
	return unquoteField(name, value)
}

// unquoteField is text by encoding/json.
func unquoteField(name string, value json.RawMessage) (text string, err error) {
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return "", badMessage(name, "it is a string")
	}
	return text, nil
}

// rest returns an error that names the first field that was not taken, or nil.
func (o *object) rest(hint string) error {
	if i := slices.IndexFunc(o.fields, func(f field) bool { return f.value != nil }); i >= 0 {
		return badMessage(clip(o.fields[i].name), "%s", hint)
	}
	return nil
}
