package todoke_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
)

func TestBadMessages(t *testing.T) {
	hub := newHub(t, todoke.Options{Namespaces: map[string]todoke.Namespace{"small": {MaxMessageBytes: 4}}})
	head := hub.Head()
	for _, c := range []struct {
		m     todoke.Message
		code  todoke.Code
		field string
	}{
		{todoke.Message{}, todoke.CodeInvalidChannel, "channel"},
		{todoke.Message{Channel: "a:*"}, todoke.CodeInvalidChannel, "channel"},
		{todoke.Message{Channel: "a", Data: make([]byte, 1<<20+1)}, todoke.CodeTooLarge, "data"},
		{todoke.Message{Channel: "small:a", Data: []byte("12345")}, todoke.CodeTooLarge, "data"},
		{todoke.Message{Channel: "a", Type: "application/json", Data: []byte("{")}, todoke.CodeInvalidJSON, "data"},
		{todoke.Message{Channel: "a", Type: "application/problem+json; x=y", Data: []byte("")}, todoke.CodeInvalidJSON, "data"},
		{todoke.Message{Channel: "a", Type: "application/json", Data: []byte("\"\xff\"")}, todoke.CodeInvalidJSON, "data"},
		{todoke.Message{Channel: "a", Event: "a\nb"}, todoke.CodeInvalidMessage, "event"},
		{todoke.Message{Channel: "a", Event: "todoke.gap"}, todoke.CodeInvalidMessage, "event"},
		{todoke.Message{Channel: "a", Key: "\xff"}, todoke.CodeInvalidMessage, "key"},
		{todoke.Message{Channel: "a", Key: strings.Repeat("k", 256)}, todoke.CodeInvalidMessage, "key"},
		{todoke.Message{Channel: "a", Type: "text/plain\r\nX: y"}, todoke.CodeInvalidMessage, "type"},
		{todoke.Message{Channel: "a", TTL: -1}, todoke.CodeInvalidMessage, "ttl"},
		{todoke.Message{Channel: "a", Headers: map[string]string{"a": "\r\n"}}, todoke.CodeInvalidMessage, "headers"},
		{todoke.Message{Channel: "a", Headers: map[string]string{"a": strings.Repeat("v", 4096)}}, todoke.CodeInvalidMessage, "headers"},
	} {
		_, err := hub.Publish(t.Context(), c.m)
		if !errors.Is(err, c.code) || todoke.AsError(err).Field != c.field {
			t.Errorf("%s of %s wanted, got %v", c.code, c.field, err)
		}
		good := todoke.Message{Channel: "a"}
		if _, err := hub.PublishBatch(t.Context(), []todoke.Message{good, c.m}); !errors.Is(err, c.code) || todoke.AsError(err).Field != "messages[1]."+c.field {
			t.Errorf("in a batch: %v", err)
		}
	}
	if hub.Head() != head {
		t.Error("something was appended")
	}
}

func TestGate(t *testing.T) {
	closed := newHub(t, todoke.Options{}).Gate()
	if _, err := closed.Publish(t.Context(), todoke.Message{Channel: "a"}); !errors.Is(err, todoke.CodeForbidden) {
		t.Error("without an authorizer:", err)
	}
	broken := errors.New("the database is away")
	hub := newHub(t, todoke.Options{Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
		switch {
		case a.Channel == "broken":
			return broken
		case a.Action == todoke.ActionSubscribe && todoke.PatternCovers("ok:**", a.Channel):
			return nil
		}
		return todoke.CodeForbidden
	})})
	gate := hub.Gate()
	if sub, err := gate.Subscribe(t.Context(), []string{"ok:1", "ok:*"}, todoke.Now()); err != nil {
		t.Error(err)
	} else {
		sub.Close()
	}
	refused := func(what string, err error) {
		if !errors.Is(err, todoke.CodeForbidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := gate.Subscribe(t.Context(), []string{"ok:1", "no"}, todoke.Now())
	refused("one of two channels", err)
	_, err = gate.Subscribe(t.Context(), []string{"**"}, todoke.Now())
	refused("a pattern wider than the right", err)
	_, err = gate.History(t.Context(), todoke.Query{Channels: []string{"ok:1"}})
	refused("another action", err)
	_, err = gate.PublishBatch(t.Context(), []todoke.Message{{Channel: "ok:1"}})
	refused("a batch", err)
	_, err = gate.Publish(t.Context(), todoke.Message{Channel: "broken"})
	refused("an authorizer that fails", err)
	if !errors.Is(err, broken) || strings.Contains(todoke.AsError(err).Hint, "database") {
		t.Error("the cause is for the log only:", err)
	}
	if hub.Head().Offset != 0 {
		t.Error("something was appended")
	}
}
