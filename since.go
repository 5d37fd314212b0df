package todoke

import (
	"strconv"
	"strings"
	"time"
)

// MaxLast is the greatest N of since=last=N.
const MaxLast = 10_000

type sinceKind uint8

const (
	sinceUnset sinceKind = iota
	sinceNow
	sincePosition
	sinceEarliest
	sinceSnapshot
	sinceLast
	sinceAge
)

// A Since says where a subscription or a read of the history starts. The zero Since leaves it to
// the call: a History reads from the earliest message kept, a Subscribe starts now.
type Since struct {
	kind sinceKind
	pos  Position
	n    int
	age  time.Duration
}

// Now starts after the newest message.
func Now() Since { return Since{kind: sinceNow} }

// After starts after p: what a client with everything up to p lacks.
func After(p Position) Since { return Since{kind: sincePosition, pos: p} }

// Earliest starts with the oldest message kept.
func Earliest() Since { return Since{kind: sinceEarliest} }

// Snapshot gives the conflated state of each channel first, then goes on live. In a namespace
// without conflation it is Earliest.
func Snapshot() Since { return Since{kind: sinceSnapshot} }

// Last starts with the newest n messages (1 to MaxLast) of all the channels asked for.
func Last(n int) Since { return Since{kind: sinceLast, n: n} }

// Within starts with what was published in the last d (more than 0).
func Within(d time.Duration) Since { return Since{kind: sinceAge, age: d} }

// IsZero reports whether s is the zero Since.
func (s Since) IsZero() bool { return s.kind == sinceUnset }

// Position returns the position that s was made of by After or ParseSince.
func (s Since) Position() (p Position, ok bool) { return s.pos, s.kind == sincePosition }

// String returns the text that ParseSince reads; "now" for Now, which has no other text.
func (s Since) String() string {
	switch s.kind {
	case sinceNow:
		return "now"
	case sincePosition:
		return s.pos.String()
	case sinceEarliest:
		return "earliest"
	case sinceSnapshot:
		return "snapshot"
	case sinceLast:
		return "last=" + strconv.Itoa(s.n)
	case sinceAge:
		return s.age.String()
	default:
		return ""
	}
}

// ParseSince reads the text of a since: "" (the zero Since), "now", "earliest", "snapshot", "last=N", a
// duration as time.ParseDuration has it ("90s"), or a position. The error is an *Error with
// CodeInvalidSince, or CodeInvalidPosition for what looks like a position.
func ParseSince(text string) (Since, error) {
	switch text {
	case "":
		return Since{}, nil
	case "now":
		return Now(), nil
	case "earliest":
		return Earliest(), nil
	case "snapshot":
		return Snapshot(), nil
	}
	s, err := parseSince(text)
	if err != nil {
		return Since{}, err
	}
	return s, s.validate()
}

func parseSince(text string) (Since, error) {
	if digits, found := strings.CutPrefix(text, "last="); found {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return Since{}, errf(CodeInvalidSince, "since", "last= needs a number from 1 to %d", MaxLast)
		}
		return Last(n), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return Within(d), nil
	}
	if strings.IndexByte(text, '-') > 0 {
		p, err := ParsePosition(text)
		return After(p), err
	}
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return Since{}, errf(CodeInvalidSince, "since",
		"%q is none of: a position like k3f9-1207, earliest, snapshot, now, last=N, or a duration like 90s", text)
}

// validate checks what the constructors were given.
func (s Since) validate() error {
	switch {
	case s.kind == sinceLast && (s.n < 1 || s.n > MaxLast):
		return errf(CodeInvalidSince, "since", "last=%d: N is from 1 to %d", s.n, MaxLast)
	case s.kind == sinceAge && s.age <= 0:
		return errf(CodeInvalidSince, "since", "%s: a duration is more than 0", s.age)
	case s.kind == sincePosition && s.pos.IsVector():
		return errVector()
	case s.kind == sincePosition && s.pos.IsZero():
		return errf(CodeInvalidPosition, "since", "the zero position is no point of a log")
	}
	return nil
}
