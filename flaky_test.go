package todoke_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/todoke-dev/todoke"
)

// A flaky engine fails every other read.
type flaky struct {
	*todoke.Memory
	reads int
}

var errFlaky = errors.New("the store is away")

func (f *flaky) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if f.reads++; f.reads%2 == 0 {
		return todoke.Page{}, errFlaky
	}
	return f.Memory.Read(ctx, r)
}

// A read that fails in the middle of catching up loses nothing: the next one goes on.
func TestCatchUpOverErrors(t *testing.T) {
	hub := newHub(t, todoke.Options{Engine: &flaky{Memory: todoke.NewMemory(todoke.MemoryOptions{})}})
	const total = 5000
	for i := range total {
		publish(t, hub, []string{"a", "b"}[i%2], fmt.Sprint(i))
	}
	sub := subscribe(t, hub, todoke.Earliest(), "a", "b")
	for seen, failed := 0, 0; seen < total; {
		b, err := sub.Read(t.Context())
		if errors.Is(err, errFlaky) && failed < 1000 {
			failed++
			continue
		}
		if err != nil || len(b.Messages) == 0 {
			t.Fatal(seen, err)
		}
		for _, m := range b.Messages {
			if m.Text() != fmt.Sprint(seen) {
				t.Fatalf("%s instead of %d", m.Text(), seen)
			}
			seen++
		}
	}
}
