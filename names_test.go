package todoke_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func TestChannelNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "chat:42": true, "user:a@b.c": true, "A-Z_~=:0.9": true, strings.Repeat("x", 255): true,
		"": false, ":": false, "a:": false, ":a": false, "a::b": false, ".a": false, "a:.b": false, "a b": false,
		"a/b": false, "ä": false, "a*": false, "*": false, "a:*": false, "a:**": false, "a\n": false, "a\x00": false, strings.Repeat("x", 256): false,
	} {
		err := todoke.ValidateChannel(name)
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil && !errors.Is(err, todoke.CodeInvalidChannel) {
			t.Errorf("%q: %v is not %s", name, err, todoke.CodeInvalidChannel)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, bad := range []string{"a*", "**:a", "a:**:b", "*a", "***", "a:", ".*"} {
		if todoke.ValidatePattern(bad) == nil {
			t.Errorf("%q is taken for a pattern", bad)
		}
	}
	names := []string{"a", "b", "a:b", "a:c", "b:b", "a:b:c", "a:x:c", "a:b:c:d"}
	patterns := append([]string{"*", "**", "a:*", "*:b", "*:*", "a:**", "a:*:c", "a:b:**", "*:**", "b:**"}, names...)
	match := func(pattern, name string) bool { // a second opinion
		expression := regexp.QuoteMeta(pattern)
		expression = strings.ReplaceAll(expression, `\*\*`, `.+`)
		expression = strings.ReplaceAll(expression, `\*`, `[^:]+`)
		return regexp.MustCompile("^" + expression + "$").MatchString(name)
	}
	for _, p := range patterns {
		for _, name := range names {
			if got := todoke.MatchPattern(p, name); got != match(p, name) {
				t.Errorf("MatchPattern(%q, %q) = %v", p, name, got)
			}
		}
		for _, q := range patterns {
			if todoke.PatternsOverlap(p, q) != todoke.PatternsOverlap(q, p) {
				t.Errorf("overlap of %q and %q hangs on the order", p, q)
			}
			for _, name := range names {
				both := match(p, name) && match(q, name)
				if both && !todoke.PatternsOverlap(p, q) {
					t.Errorf("%q and %q both take in %q", p, q, name)
				}
				if todoke.PatternCovers(p, q) && match(q, name) && !match(p, name) {
					t.Errorf("%q covers %q, but not %q", p, q, name)
				}
			}
		}
	}
	for _, c := range []struct {
		outer, inner string
		want         bool
	}{
		{"a:*", "a:b", true}, {"a:**", "a:*", true}, {"a:**", "a:**", true}, {"a:*", "a:**", false}, {"**", "a", true},
		{"*", "**", false}, {"a:*:c", "a:b:c", true}, {"a:b", "a:*", false}, {"a:**", "a", false}, {"*:b", "a:b:c", false},
	} {
		if got := todoke.PatternCovers(c.outer, c.inner); got != c.want {
			t.Errorf("PatternCovers(%q, %q) = %v", c.outer, c.inner, got)
		}
	}
}

func TestPositions(t *testing.T) {
	for _, bad := range []string{"", "-", "a", "a-", "-1", "a-01", "a-+1", "a--1", "A-1", "a-9223372036854775808", "a-1 ", " a-1", "a-1-2", "a_b-1", "a-99999999999999999999", strings.Repeat("a", 33) + "-1"} {
		if p, err := todoke.ParsePosition(bad); !errors.Is(err, todoke.CodeInvalidPosition) {
			t.Errorf("%q: %v, %v", bad, p, err)
		}
	}
	p, err := todoke.ParsePosition("k3f9-9223372036854775807")
	if err != nil || p.Offset != todoke.MaxOffset || p.Epoch != "k3f9" {
		t.Error(p, err)
	}
}

// Positions of a log in partitions are carried by clients and refused, with a reason, by everything that would begin there.
func TestPositionsOfALogInPartitions(t *testing.T) {
	hub := newHub(t, todoke.Options{})
	component := "1r~zzzz~1y2p0ij32e8e7."
	longest := strings.Repeat("z", 32) + "-" + strings.TrimSuffix(strings.Repeat(component, 64), ".")
	for _, text := range []string{"k3f9-3~1~xj", "k3f9-3~1~xj.0~1~rg", hub.Head().Epoch + "-0~1~0", longest} {
		if len(text) > todoke.MaxPositionBytes {
			t.Errorf("%d bytes, more than a position may have", len(text))
		}
		var p, again todoke.Position
		if p.UnmarshalText([]byte(text)) != nil || p.String() != text || !p.IsVector() || p.IsZero() {
			t.Errorf("%q is carried as %q", text, p)
		}
		if again.UnmarshalText([]byte(text)) != nil || again != p {
			t.Errorf("%q read twice is not equal", text)
		}
		if _, ok := p.Compare(p); ok {
			t.Errorf("%q has an order", text)
		}
		_, parsed := todoke.ParsePosition(text)
		_, since := todoke.ParseSince(text)
		_, subscribed := hub.Subscribe(t.Context(), []string{"a"}, todoke.After(p))
		_, read := hub.History(t.Context(), todoke.Query{Channels: []string{"a"}, Since: todoke.After(p)})
		for _, err := range []error{parsed, since, subscribed, read} {
			if !errors.Is(err, todoke.CodeInvalidPosition) || !strings.Contains(todoke.AsError(err).Hint, "partitions") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	for _, bad := range []string{"~", "-~", "a-1~2~3 ", "A-1~2~3", "a-1~2~X", "a-1~2-3", "a~1-2", strings.Repeat("a", 33) + "-1~2~3", "a-" + strings.Repeat("~", todoke.MaxPositionBytes)} {
		var p todoke.Position
		if err := p.UnmarshalText([]byte(bad)); !errors.Is(err, todoke.CodeInvalidPosition) || !p.IsZero() {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("k3f9-1207")
	f.Add("a-0")
	f.Add("k3f9-3~1~xj.0~1~rg")
	f.Add("-")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := todoke.ParsePosition(text)
		if err == nil && p.String() != text {
			t.Errorf("%q is read as %q", text, p.String())
		}
		var carried todoke.Position
		if text != "" && carried.UnmarshalText([]byte(text)) == nil && (carried.String() != text || carried.IsVector() == (err == nil)) {
			t.Errorf("%q is carried as %q", text, carried)
		}
	})
}

func FuzzChannel(f *testing.F) {
	f.Add("a:b", "a:*")
	f.Add("room:1:x", "room:**")
	f.Fuzz(func(t *testing.T, channel, pattern string) {
		if todoke.ValidateChannel(channel) == nil && todoke.ValidatePattern(channel) != nil {
			t.Errorf("%q is a channel and no pattern", channel)
		}
		if todoke.ValidateChannel(channel) != nil || todoke.ValidatePattern(pattern) != nil {
			return
		}
		if strings.ContainsAny(channel, "/?#%&+ \r\n\x00\"\\<>") {
			t.Errorf("%q is not safe in a URL", channel)
		}
		if todoke.MatchPattern(pattern, channel) != todoke.PatternCovers(pattern, channel) {
			t.Errorf("%q and %q: match and cover differ", pattern, channel)
		}
		if todoke.MatchPattern(pattern, channel) && !todoke.PatternsOverlap(pattern, channel) {
			t.Errorf("%q takes in %q and does not overlap it", pattern, channel)
		}
	})
}

func TestSince(t *testing.T) {
	p, _ := todoke.ParsePosition("k3f9-12")
	for text, want := range map[string]todoke.Since{
		"": {}, "now": todoke.Now(), "earliest": todoke.Earliest(), "snapshot": todoke.Snapshot(), "last=3": todoke.Last(3),
		"90s": todoke.Within(90 * time.Second), "1h30m": todoke.Within(90 * time.Minute), "k3f9-12": todoke.After(p),
	} {
		got, err := todoke.ParseSince(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if again, err := todoke.ParseSince(got.String()); err != nil || again != got {
			t.Errorf("%q becomes %q, which is not read back: %v", text, got, err)
		}
	}
	for _, bad := range []string{"last=0", "last=10001", "last=", "last=x", "last=-1", "-5s", "0s", "yesterday", "k3f9-", "K-1", "s", "5", "epoch"} {
		_, err := todoke.ParseSince(bad)
		if !errors.Is(err, todoke.CodeInvalidSince) && !errors.Is(err, todoke.CodeInvalidPosition) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseSince(f *testing.F) {
	for _, s := range []string{"now", "last=3", "90s", "k3f9-12", "1e9h", "snapshot"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		since, err := todoke.ParseSince(text)
		if err != nil {
			return
		}
		if again, err := todoke.ParseSince(since.String()); err != nil || again != since {
			t.Errorf("%q becomes %q: %v", text, since, err)
		}
	})
}
