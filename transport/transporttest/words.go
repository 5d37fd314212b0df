package transporttest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
)

func word(e Event) string {
	if e.Gap == nil {
		return e.Message.Channel + "=" + e.Message.Text()
	}
	w := fmt.Sprintf("gap %s %d-%d", e.Gap.Channel, e.Gap.From.Offset, e.Gap.To.Offset)
	if e.Gap.Possible {
		w += "?"
	}
	return w
}

func expect(t testing.TB, got []string, want string) {
	t.Helper()
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("\ngot  %s\nwant %s", s, want)
	}
}

// same compares what was published with what came.
func same(t testing.TB, got, want *todoke.Message) {
	t.Helper()
	if got == nil {
		t.Fatal("no message")
	}
	if got.Channel != want.Channel || string(got.Data) != string(want.Data) || got.Type != want.Type || got.Event != want.Event || got.Key != want.Key {
		t.Errorf("got  %s %s %q %q %q\nwant %s %s %q %q %q", got.Channel, got.Type, got.Event, got.Key, clip(got.Data),
			want.Channel, want.Type, want.Event, want.Key, clip(want.Data))
	}
	if fmt.Sprint(got.Headers) != fmt.Sprint(want.Headers) {
		t.Errorf("headers %v, want %v", got.Headers, want.Headers)
	}
	if got.Time.IsZero() || got.Position.IsZero() {
		t.Errorf("no time or no position: %v %v", got.Time, got.Position)
	}
}

func clip(data []byte) string {
	if len(data) > 100 {
		return string(data[:100]) + "…"
	}
	return string(data)
}
