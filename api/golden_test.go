package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// The vectors' inputs are written by hand; -update writes what the encoders make of them. Read the difference before you
// commit it: others' parsers already read what stood there.
var update = flag.Bool("update", false, "write what is encoded into testdata/ instead of comparing with it")

// golden reads a file of vectors and, under -update, writes it back when the test ends.
func golden[T any](t *testing.T, name string) *T {
	t.Helper()
	path := filepath.Join("testdata", name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	vectors := new(T)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(vectors); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	t.Cleanup(func() {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(vectors); err != nil {
			t.Fatal(err)
		}
		switch {
		case bytes.Equal(out.Bytes(), text):
		case !*update:
			t.Errorf("%s is not in the form that -update gives it", path)
		default:
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	return vectors
}

// same compares what was encoded with a vector, byte for byte; under -update it becomes the vector.
func same[B string | []byte](t *testing.T, what string, got B, want *string) {
	t.Helper()
	if *update {
		*want = string(got)
		return
	}
	if string(got) != *want {
		t.Errorf("%s:\n got %q\nwant %q", what, got, *want)
	}
}

// A payload is data as it stands in the vectors: text, or base64 where it is not UTF-8 or is better read so.
type payload struct {
	Text   *string `json:"text,omitempty"`
	Base64 *string `json:"base64,omitempty"`
}

func (p payload) bytes(t *testing.T) []byte {
	t.Helper()
	switch {
	case p.Text != nil && p.Base64 == nil:
		return []byte(*p.Text)
	case p.Base64 != nil && p.Text == nil:
		data, err := base64.StdEncoding.DecodeString(*p.Base64)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	t.Fatal("a vector's message has either text or base64")
	return nil
}

// A givenMessage is a published message in the vectors, neutral of any wire.
type givenMessage struct {
	ID      todoke.Position   `json:"id"`
	Channel string            `json:"channel"`
	Event   string            `json:"event,omitempty"`
	Key     string            `json:"key,omitempty"`
	Type    string            `json:"type"`
	Time    time.Time         `json:"time"`
	Headers map[string]string `json:"headers,omitempty"`
	payload
}

func (g givenMessage) message(t *testing.T) *todoke.Message {
	t.Helper()
	return &todoke.Message{
		Channel: g.Channel, Event: g.Event, Key: g.Key, Type: g.Type, Headers: g.Headers, Data: g.bytes(t), Position: g.ID, Time: g.Time,
	}
}

// sameMessage reports whether a decoded message is the one that was encoded.
func sameMessage(t *testing.T, what string, got, want *todoke.Message) {
	t.Helper()
	if got.Channel != want.Channel || got.Event != want.Event || got.Key != want.Key || got.Type != want.Type ||
		!maps.Equal(got.Headers, want.Headers) || !bytes.Equal(got.Data, want.Data) ||
		got.Position != want.Position || !got.Time.Equal(want.Time) || got.TTL != want.TTL || got.IdempotencyKey != want.IdempotencyKey {
		t.Errorf("%s comes back as\n     %+v\nfrom %+v", what, *got, *want)
	}
}

type givenGap struct {
	Channel  string          `json:"channel"`
	From     todoke.Position `json:"from"`
	To       todoke.Position `json:"to"`
	Possible bool            `json:"possible,omitempty"`
}

func TestVectorsHaveNamesOfTheirOwn(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var content any
		if err := json.Unmarshal(text, &content); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		lists := map[string]any{"": content}
		if object, isObject := content.(map[string]any); isObject {
			lists = object
		}
		for list, items := range lists {
			var names []string
			for _, item := range items.([]any) {
				if vector, isObject := item.(map[string]any); isObject && vector["name"] != nil {
					names = append(names, vector["name"].(string))
				}
			}
			slices.Sort(names)
			if len(slices.Compact(slices.Clone(names))) != len(names) {
				t.Errorf("%s %s: two vectors have one name", path, list)
			}
		}
	}
}
