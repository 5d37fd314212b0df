package nats

import (
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/todoke-dev/todoke"
)

func TestSubjects(t *testing.T) {
	for name, want := range map[string]string{
		"news": "p.c.news", "chat:42": "p.c.chat.42", "a.b:c..d": "p.c.a%b.c%%d", "a.": "p.c.a%", "x:~@=-_": "p.c.x.~@=-_",
		"*": "p.c.*", "**": "p.c.>", "a:*:b": "p.c.a.*.b", "a:**": "p.c.a.>", "a.b:**": "p.c.a%b.>",
	} {
		if got := subjectOf("p", name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for _, other := range []string{"", "p", "p.epoch", "p.c", "q.c.a", "pp.c.a"} {
		if name, ok := channelOf("p", other); ok {
			t.Errorf("%q is taken for the channel %q", other, name)
		}
	}
}

// FuzzSubject: every channel comes back, is a subject that NATS takes, and a pattern's filter matches what the pattern takes in.
func FuzzSubject(f *testing.F) {
	for _, name := range []string{"a", "a.b:c", "a:b.c", "a..:~@=-", "*:x", "a:**", "a%b", "a b", "日本"} {
		f.Add(name, "a:b")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if todoke.ValidateChannel(name) != nil || todoke.ValidatePattern(pattern) != nil {
			return
		}
		subject := subjectOf("todoke", name)
		if back, ok := channelOf("todoke", subject); !ok || back != name {
			t.Fatalf("%q is %q, which is %q", name, subject, back)
		}
		if !natsserver.IsValidLiteralSubject(subject) {
			t.Fatalf("%q is %q, which NATS does not take", name, subject)
		}
		filter := subjectOf("todoke", pattern)
		if !natsserver.IsValidSubject(filter) {
			t.Fatalf("%q is %q, which is no filter", pattern, filter)
		}
		if got, want := matches(filter, subject), todoke.MatchPattern(pattern, name); got != want {
			t.Fatalf("%q takes in %q: %v; the filter %q takes in %q: %v", pattern, name, want, filter, subject, got)
		}
	})
}

// matches is NATS's rule: * is one token, > at the end is one or more.
func matches(filter, subject string) bool {
	want, have := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, token := range want {
		switch {
		case token == ">":
			return len(have) > i
		case i >= len(have), token != "*" && token != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}
