package history

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
)

func TestSavedAndRead(t *testing.T) {
	var file bytes.Buffer
	r := NewRecorder(&file)
	r.Add(Event{Kind: Run, Engine: "memory", Seed: 7})
	r.Add(Event{Kind: Gap, Who: "r1", Channel: "a:*", From: todoke.Position{Epoch: "a", Offset: 1}, To: todoke.Position{Epoch: "b"}, Possible: true})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(file.String(), "\n"); lines != 2 {
		t.Errorf("%d lines, want 2:\n%s", lines, &file)
	}
	got, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, r.Events()) {
		t.Errorf("read %+v, wrote %+v", got, r.Events())
	}
	if _, err := Read(strings.NewReader("{\"kind\":\"run\"}\n{")); err == nil {
		t.Error("half a line was read without an error")
	}
}
