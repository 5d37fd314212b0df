package check

import (
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/test/faults/history"
)

type line = history.Event

func at(text string) todoke.Position {
	p, err := todoke.ParsePosition(text)
	if err != nil {
		panic(err)
	}
	return p
}

// Short ways to write lines. Publisher p1 writes to channel a:x.
func send(n int64) line { return line{Kind: history.Send, Who: "p1", Number: n, Channel: "a:x"} }
func ack(n int64, p string) line {
	return line{Kind: history.Ack, Who: "p1", Number: n, Channel: "a:x", Position: at(p)}
}
func again(n int64, p string) line {
	e := ack(n, p)
	e.Duplicate = true
	return e
}
func refused(n int64) line { return line{Kind: history.Refused, Who: "p1", Number: n, Channel: "a:x"} }
func unknown(n int64) line { return line{Kind: history.Unknown, Who: "p1", Number: n, Channel: "a:x"} }
func give(who string, n int64, p string) line {
	return line{Kind: history.Message, Who: who, Publisher: "p1", Number: n, Channel: "a:x", Position: at(p)}
}
func gap(who, channel, from, to string) line {
	return line{Kind: history.Gap, Who: who, Channel: channel, From: at(from), To: at(to)}
}
func follow(who string, channels ...string) line {
	return line{Kind: history.Follow, Who: who, Channels: channels, Position: at("e-0")}
}
func round(n int) line { return line{Kind: history.Round, Round: n} }

var (
	kill     = line{Kind: history.Fault, Text: "kill-node", Explains: true}
	harmless = line{Kind: history.Fault, Text: "cut"}
)

func TestCheck(t *testing.T) {
	start := []line{round(1), follow("r1", "a:x"), follow("r2", "a:*")}
	for _, test := range []struct {
		name  string
		lines []line
		want  string // kinds, in order
	}{
		{"all is well", []line{send(1), give("r1", 1, "e-1"), ack(1, "e-1"), give("r2", 1, "e-1")}, ""},
		{"a retry after an unknown outcome is one message", []line{send(1), unknown(1), send(1), again(1, "e-1"), give("r1", 1, "e-1"), give("r2", 1, "e-1")}, ""},
		{"what was never acknowledged may be missing", []line{send(1), unknown(1), give("r1", 1, "e-1")}, ""},
		{"a reader that came later lacks nothing", []line{send(1), ack(1, "e-1"), follow("r3", "a:x"), give("r1", 1, "e-1"), give("r2", 1, "e-1")}, ""},
		{"another channel is not missed", []line{follow("r3", "a:y"), send(1), ack(1, "e-1"), give("r1", 1, "e-1"), give("r2", 1, "e-1")}, ""},
		{"an explained loss of the log", []line{
			send(1), give("r1", 1, "e-1"), ack(1, "e-1"), kill, gap("r1", "a:x", "e-1", "f-0"), gap("r2", "a:*", "e-0", "f-0"),
			send(2), ack(2, "f-1"), give("r1", 2, "f-1"), give("r2", 2, "f-1")}, ""},
		{"a retry in a new epoch, explained", []line{
			send(1), give("r1", 1, "e-1"), give("r2", 1, "e-1"), unknown(1), kill, gap("r1", "a:x", "e-1", "f-0"), gap("r2", "a:*", "e-1", "f-0"),
			send(1), ack(1, "f-1"), give("r1", 1, "f-1"), give("r2", 1, "f-1")}, ""},
		{"a gap over two new epochs", []line{
			send(1), ack(1, "e-1"), give("r1", 1, "e-1"), kill, gap("r1", "a:x", "e-1", "f-0"), send(2), ack(2, "f-1"), give("r1", 2, "f-1"),
			gap("r1", "a:x", "f-1", "g-0"), gap("r2", "a:*", "e-0", "g-0")}, ""},

		{"lost", []line{send(1), ack(1, "e-1"), give("r1", 1, "e-1")}, "lost"},
		{"lost beside a gap", []line{kill, send(1), ack(1, "e-1"), send(2), ack(2, "e-2"), gap("r1", "a:x", "e-1", "e-1"), give("r2", 1, "e-1"), give("r2", 2, "e-2")}, "lost"},
		{"lost under a gap of another channel", []line{kill, send(1), ack(1, "e-1"), give("r1", 1, "e-1"), gap("r2", "a:y", "e-1", "e-1")}, "lost"},
		{"lost before a gap into a new epoch", []line{kill, send(1), ack(1, "e-1"), give("r2", 1, "e-1"), gap("r1", "a:x", "e-2", "f-0")}, "lost"},
		{"lost after a gap into a new epoch", []line{kill, gap("r1", "a:x", "e-0", "f-0"), send(1), ack(1, "f-1"), gap("r2", "a:*", "e-0", "f-0"), give("r2", 1, "f-1")}, "lost"},
		{"a new epoch in silence", []line{kill, send(1), ack(1, "f-1"), give("r1", 1, "f-1"), gap("r2", "a:*", "e-0", "f-0"), give("r2", 1, "f-1")}, "lost"},
		{"given twice", []line{send(1), ack(1, "e-1"), give("r1", 1, "e-1"), give("r1", 1, "e-1"), give("r2", 1, "e-1")}, "duplicated"},
		{"appended twice", []line{send(1), unknown(1), send(1), ack(1, "e-2"), give("r1", 1, "e-2"), give("r2", 1, "e-1")}, "duplicated"},
		{"appended twice, in a new epoch that nothing explains", []line{
			send(1), ack(1, "e-1"), give("r1", 1, "e-1"), give("r2", 1, "e-1"), harmless, send(1), ack(1, "f-1")}, "duplicated"},
		{"acknowledged at two positions", []line{send(1), ack(1, "e-1"), send(1), again(1, "e-2"), give("r1", 1, "e-1"), give("r2", 1, "e-1")}, "duplicated"},
		{"refused, and appended all the same", []line{send(1), refused(1), send(1), again(1, "e-1"), give("r1", 1, "e-1"), give("r2", 1, "e-1")}, "duplicated"},
		{"nobody published it", []line{give("r1", 1, "e-1")}, "duplicated"},
		{"nobody asked for it", []line{follow("r3", "a:y"), send(1), give("r3", 1, "e-1"), give("r4", 1, "e-1")}, "duplicated duplicated"},
		{"given in the wrong order", []line{
			send(1), ack(1, "e-1"), send(2), ack(2, "e-2"), give("r1", 2, "e-2"), give("r1", 1, "e-1"), give("r2", 1, "e-1"), give("r2", 2, "e-2")}, "reordered"},
		{"an unacknowledged message in the wrong place", []line{
			send(1), unknown(1), send(2), unknown(2), give("r1", 2, "e-1"), give("r1", 1, "e-2")}, "reordered"},
		{"the log is not in the publisher's order", []line{
			send(1), ack(1, "e-2"), send(2), ack(2, "e-1"), give("r1", 1, "e-2"), give("r2", 1, "e-2"), kill, gap("r1", "a:x", "e-1", "e-1"), gap("r2", "a:x", "e-1", "e-1")}, "reordered"},
		{"readers do not agree", []line{send(1), send(2), give("r1", 1, "e-1"), give("r2", 2, "e-1")}, "reordered"},
		{"back to an old epoch", []line{
			send(1), send(2), kill, gap("r1", "a:x", "e-0", "f-0"), give("r1", 1, "f-1"), give("r1", 2, "e-1")}, "reordered"},
		{"an unexplained gap", []line{harmless, gap("r1", "a:x", "e-1", "e-1")}, "unexplained gap"},
		{"a gap before the fault", []line{gap("r1", "a:x", "e-1", "e-1"), kill}, "unexplained gap"},
		{"a gap in the round after the fault", []line{kill, round(2), gap("r1", "a:x", "e-1", "e-1")}, "unexplained gap"},
		{"a gap told to nobody", []line{kill, gap("r9", "a:x", "e-1", "e-1")}, "unexplained gap"},
		{"a process that ended", []line{{Kind: history.Exited, Who: "node1"}}, "broken"},
		{"a reader that did not get there", []line{{Kind: history.Stuck, Who: "r1"}}, "broken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			verdict := Check(append(append([]line{}, start...), test.lines...))
			var kinds []string
			for _, v := range verdict.Violations {
				kinds = append(kinds, string(v.Kind))
			}
			if got := strings.Join(kinds, " "); got != test.want {
				t.Errorf("found %q, want %q: %v", got, test.want, verdict.Violations)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	v := Check([]line{
		round(1), follow("r1", "a:x"), send(1), ack(1, "e-1"), send(1), again(1, "e-1"), give("r1", 1, "e-1"), follow("r1", "a:x"),
		round(2), send(2), ack(2, "e-2"), {Kind: history.Failed, Who: "r1"},
	})
	if v.Rounds != 2 || v.Acknowledged != 2 || v.Delivered != 1 || v.Resumed != 1 || v.Failed != 1 || v.Count(Lost) != 1 {
		t.Errorf("%+v", v)
	}
	if got := v.Violations[0].String(); got != "round 2: lost: p1/2, acknowledged at e-2, did not come to r1" {
		t.Errorf("%s", got)
	}
}
