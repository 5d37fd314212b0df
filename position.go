package todoke

import (
	"cmp"
	"strconv"
	"strings"
	"unique"
)

// An Offset counts the messages of a log, from 1. It grows along the whole log, not per channel;
// 0 is the point before the first message.
type Offset uint64

// MaxOffset is the largest offset that fits a position's text and a signed integer of any client.
const MaxOffset Offset = 1<<63 - 1

// maxEpochBytes bounds what a stranger can make us keep of a position.
const maxEpochBytes = 32

// MaxPositionBytes is the longest text that a position ever has. Those of a log in one piece have at most 52 bytes; the rest is
// for logs in partitions.
const MaxPositionBytes = 1536

// A Position is a point in the log: a reader at a position has everything up to and with it. Its
// text, "k3f9-1207", is opaque to clients. The epoch tells histories apart: it changes when the log
// was lost, and positions of different epochs cannot be compared.
//
// The text of a log in partitions, "k3f9-3~1~x1.0~1~rg", is reserved (docs/decisions/0010-a-log-in-partitions.md). A client
// that unmarshals one carries it and sends it back as it came; IsVector tells it apart. Name the fields in literals: there may be more.
type Position struct {
	Epoch  string // 1 to 32 of [0-9a-z]
	Offset Offset
	// vector is the text behind the epoch where that is not an offset: only carried, never understood. A handle, so that
	// positions stay small and comparable.
	vector unique.Handle[string]
}

// IsZero reports whether p is the zero Position, which is no point of any log.
func (p Position) IsZero() bool { return p.Epoch == "" }

// IsVector reports whether p is of a log in partitions. This version only carries those: it does not order them, and no hub or
// engine of it begins at one.
func (p Position) IsVector() bool { return p.vector != unique.Handle[string]{} }

// String returns the text of p, or "" for the zero Position.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return string(p.AppendTo(make([]byte, 0, len(p.Epoch)+20)))
}

// AppendTo appends the text of p to dst.
func (p Position) AppendTo(dst []byte) []byte {
	dst = append(dst, p.Epoch...)
	dst = append(dst, '-')
	if p.IsVector() {
		return append(dst, p.vector.Value()...)
	}
	return strconv.AppendUint(dst, uint64(p.Offset), 10)
}

// MarshalText gives the text of p (encoding.TextMarshaler).
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what a server wrote (encoding.TextUnmarshaler): ParsePosition, but the reserved form of a log in partitions is
// taken too, to be sent back. Empty text is the zero Position.
func (p *Position) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Position{}
		return nil
	}
	if epoch, rest, ok := cutVector(string(text)); ok {
		*p = Position{Epoch: epoch, vector: unique.Make(rest)}
		return nil
	}
	q, err := ParsePosition(string(text))
	if err == nil {
		*p = q
	}
	return err
}

// Compare orders two positions of one epoch. ok is false when the epochs differ, and for a log in partitions.
func (p Position) Compare(q Position) (order int, ok bool) {
	return cmp.Compare(p.Offset, q.Offset), p.Epoch == q.Epoch && !p.IsVector() && !q.IsVector()
}

// ParsePosition reads the text of a position that a client sends. It accepts only what String writes of a log in one piece,
// and so refuses one of a log in partitions. The error is an *Error with CodeInvalidPosition.
func ParsePosition(text string) (Position, error) {
	if _, _, ok := cutVector(text); ok {
		return Position{}, errVector()
	}
	epoch, digits, found := strings.Cut(text, "-")
	if !found || epoch == "" || len(epoch) > maxEpochBytes || !isEpoch(epoch) {
		return Position{}, invalidPosition(text)
	}
	if digits == "" || len(digits) > 19 || digits[0] == '0' && len(digits) > 1 || digits[0] == '+' {
		return Position{}, invalidPosition(text)
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return Position{}, invalidPosition(text)
	}
	return Position{Epoch: epoch, Offset: Offset(n)}, nil
}

// cutVector takes the reserved form apart: an epoch, '-', and 1 or more of [0-9a-z.~] of which one at least is '~'. No offset has
// one, so neither form is taken for the other.
func cutVector(text string) (epoch, rest string, ok bool) {
	epoch, rest, _ = strings.Cut(text, "-")
	if len(text) > MaxPositionBytes || epoch == "" || len(epoch) > maxEpochBytes || !isEpoch(epoch) || strings.IndexByte(rest, '~') < 0 {
		return "", "", false
	}
	return epoch, rest, isEpoch(strings.NewReplacer("~", "", ".", "").Replace(rest))
}

func errVector() error {
	return errf(CodeInvalidPosition, "since", "this position is of a log in partitions, and this server's log has none: "+
		"it was given by another server or a newer version; go back there, or begin again with earliest or snapshot")
}

func isEpoch(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func invalidPosition(text string) error {
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return errf(CodeInvalidPosition, "since", "%q is not a position; send one back as you got it, like k3f9-1207", text)
}
