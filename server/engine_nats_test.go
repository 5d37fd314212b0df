package server

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
)

func TestAddressesOfNATS(t *testing.T) {
	o, err := parseNATS("nats://u:p@a:1,b:2/orders?replicas=3&system=blue&creds=x")
	if err != nil {
		t.Fatal(err)
	}
	if o.URL != "nats://u:p@a:1,nats://u:p@b:2" || o.Prefix != "orders" || o.Replicas != 3 || o.System != "blue" || len(o.Connect) != 1 {
		t.Errorf("%+v", o)
	}
	if o, err := parseNATS("tls://a"); err != nil || o.URL != "tls://a" || o.Prefix != "" {
		t.Errorf("%+v, %v", o, err)
	}
}

// A server on a directory has after a restart what was published before.
func TestNATSInADirectoryOutlivesTheServer(t *testing.T) {
	c := Defaults()
	c.Dev, c.Engine, c.Data = true, "nats", t.TempDir()
	c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	first := begin(t, c)
	sent, err := first.Hub().Publish(context.Background(), todoke.Message{Channel: "a", Data: []byte("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("two servers on one directory: %v", err)
	}
	if err := first.Shutdown(); err != nil {
		t.Fatal(err)
	}
	second := begin(t, c)
	h, err := second.Hub().History(context.Background(), todoke.Query{Channels: []string{"a"}})
	if err != nil || len(h.Messages) != 1 || h.Messages[0].Text() != "kept" || h.Messages[0].Position != sent.Position {
		t.Errorf("after the restart: %+v, %v; %v was published", h, err, sent)
	}
	if err := second.Shutdown(); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown() })
	return s
}
