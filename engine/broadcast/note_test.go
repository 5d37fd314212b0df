package broadcast

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// A deaf bus carries nothing.
type deaf struct{}

func (deaf) Send(context.Context, []byte) error { return nil }
func (deaf) Receive(ctx context.Context, _ func(), _ func([]byte)) error {
	<-ctx.Done()
	return ctx.Err()
}

// Whatever comes over the bus, only well-formed notes change something, and never this node's own values.
func FuzzNotes(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"kind":"bye","node":"b","run":"x"}`, `{"kind":"set","node":"a","run":"x","rev":1,"key":"own"}`,
		`{"kind":"all","node":"b","run":"x","rev":3,"values":{"k":"MQ=="}}`, `{"kind":"ask","node":"b","run":"x"}`, `{"kind":"beat","node":"b","run":"x","rev":18446744073709551615}`,
	} {
		f.Add([]byte(text))
	}
	d, err := New("a", time.Hour, deaf{}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { d.Close() })
	if err := d.Set(context.Background(), "own", []byte("1")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d.take(text)
		own := 0
		for _, e := range d.Entries() {
			if e.Node == "a" {
				own++
				if e.Key != "own" || string(e.Value) != "1" {
					t.Errorf("%+v", e)
				}
			}
		}
		if own != 1 {
			t.Errorf("the node has %d values", own)
		}
	})
}

var _ todoke.Directory = (*Directory)(nil)
