package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/problem"
	"github.com/todoke-dev/todoke/transport/request"
)

// TestOpenAPIExamples decodes each example with the code that reads such a thing.
func TestOpenAPIExamples(t *testing.T) {
	doc := openAPI(t)
	tried := make(map[string]int)
	try := func(path string, schemas []string, example any) {
		var failed error
		for _, schema := range schemas {
			decode := decoders[schema]
			if decode == nil {
				t.Errorf("%s: no decoder reads the schema %s", path, schema)
				return
			}
			err := decode(toJSON(t, example))
			if err == nil {
				tried[schema]++
				return
			}
			failed = errors.Join(failed, fmt.Errorf("as %s: %w", schema, err))
		}
		t.Errorf("%s: %v", path, failed)
	}
	walk(map[string]any(doc), "", func(path string, object map[string]any) {
		if name, isSchema := strings.CutPrefix(path, "/components/schemas/"); isSchema && !strings.Contains(name, "/") {
			list, _ := object["examples"].([]any)
			for _, example := range list {
				try(path, []string{name}, example)
			}
			return
		}
		schemas := schemasOf(object["schema"])
		if len(schemas) == 0 {
			return
		}
		if example, found := object["example"]; found {
			try(path, schemas, example)
		}
		several, _ := object["examples"].(map[string]any)
		for name, example := range several {
			try(path+" "+name, schemas, example.(map[string]any)["value"])
		}
	})
	for schema := range decoders {
		if doc.at("/components/schemas/"+schema) == nil {
			t.Errorf("there is no schema %s", schema)
		}
	}
	for _, schema := range []string{"Message", "Gap", "Published", "Results", "Page", "Problem", "Envelope", "StreamFrame"} {
		if tried[schema] == 0 {
			t.Errorf("%s has no example", schema)
		}
	}
}

// schemasOf returns the names of the schemas that a schema is, or is one of.
func schemasOf(schema any) (names []string) {
	object, _ := schema.(map[string]any)
	if ref, isRef := object["$ref"].(string); isRef {
		return []string{strings.TrimPrefix(ref, "#/components/schemas/")}
	}
	several, _ := object["oneOf"].([]any)
	for _, one := range several {
		names = append(names, schemasOf(one)...)
	}
	return names
}

// decoders read a value of a schema; all are strict about fields that they do not know, for these are our own examples.
var decoders = map[string]func([]byte) error{
	"Channel":  text(todoke.ValidateChannel),
	"Pattern":  text(todoke.ValidatePattern),
	"Position": text(func(s string) error { _, err := todoke.ParsePosition(s); return err }),
	"Since":    text(func(s string) error { _, err := todoke.ParseSince(s); return err }),
	"Duration": text(func(s string) error { _, err := time.ParseDuration(s); return err }),
	"Name":     text(func(string) error { return nil }),
	"Headers":  strict(func(map[string]string) error { return nil }),
	"Base64": text(func(s string) error {
		_, _, err := frame.Payload("", nil, &s)
		return err
	}),
	"Message":   strict(decodeMessage),
	"Gap":       strict(func(frame.Gap) error { return nil }),
	"Published": strict(checkPublished),
	"Nodes":     strict(func(frame.Nodes) error { return nil }),
	"Results": strict(func(r struct{ Results []frame.Published }) error {
		for _, p := range r.Results {
			if err := checkPublished(p); err != nil {
				return err
			}
		}
		return nil
	}),
	"Page": strict(func(p frame.Page) error {
		for _, m := range p.Messages {
			if err := decodeMessage(m); err != nil {
				return err
			}
		}
		return nil
	}),
	"Problem": strict(func(p problem.Problem) error {
		if p.Type != problem.TypePrefix+string(p.Code) || p.Status != problem.Status(p.Code) || p.Title != problem.Of(p.Code).Title {
			return fmt.Errorf("the server says it otherwise: %+v", problem.Of(p.Code))
		}
		return nil
	}),
	"Envelope": decodeEnvelope,
	"Batch":    decodeEnvelope,
	"StreamFrame": func(text []byte) error {
		asFrame := strict(func(f struct {
			Position  *todoke.Position
			Gap       *frame.Gap
			Reconnect *struct{ After string }
		}) error {
			return nil
		})
		if err := asFrame(text); err != nil {
			return strict(decodeMessage)(text)
		}
		return nil
	},
}

func text(check func(string) error) func([]byte) error { return strict(check) }

// strict makes of a check of a value one of its JSON.
func strict[T any](check func(T) error) func([]byte) error {
	return func(text []byte) error {
		var v T
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			return err
		}
		return check(v)
	}
}

func decodeMessage(object frame.Message) error {
	m, err := object.Decode()
	if err == nil && (m.Position.IsZero() || m.Time.IsZero()) {
		err = errors.New("a message has an id and a time")
	}
	return err
}

func checkPublished(p frame.Published) error {
	if p.ID.IsZero() || p.Time.IsZero() {
		return errors.New("it has an id and a time")
	}
	return nil
}

func decodeEnvelope(body []byte) error {
	_, _, err := request.ParseEnvelope(body, todoke.MaxBatch)
	return err
}
