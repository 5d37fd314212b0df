//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// TestTwoNodes: what is published on one node is read on another, and a position of one resumes on the other.
func TestTwoNodes(t *testing.T) {
	s := start(t)
	var hubs [2]*todoke.Hub
	for i := range hubs {
		hub, err := todoke.New(todoke.Options{Engine: s.engine("t"), Authorizer: todoke.AllowAll, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer hub.Close()
		hubs[i] = hub
	}
	first, err := hubs[0].Publish(t.Context(), todoke.Message{Channel: "room:1", Data: []byte("0")})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the other node has the message", func() bool { return hubs[1].Head() == first.Position })
	sub, err := hubs[1].Subscribe(t.Context(), []string{"room:*"}, todoke.After(first.Position))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	const n = 50
	for i := range n {
		if _, err := hubs[i%2].Publish(t.Context(), todoke.Message{Channel: fmt.Sprintf("room:%d", i%3), Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for got := 0; got < n; {
		batch, err := sub.Next(ctx)
		if err != nil {
			t.Fatalf("after %d messages: %v", got, err)
		}
		for _, m := range batch.Messages {
			if m.Text() != fmt.Sprint(got) {
				t.Fatalf("message %d is %q", got, m.Data)
			}
			got++
		}
		if len(batch.Gaps) > 0 {
			t.Errorf("gaps %v", batch.Gaps)
		}
	}
}
