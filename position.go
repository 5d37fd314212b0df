package todoke

import (
	"cmp"
	"strconv"
	"strings"
)

// An Offset counts the messages of a log, from 1. It grows along the whole log, not per channel;
// 0 is the point before the first message.
type Offset uint64

// MaxOffset is the largest offset that fits a position's text and a signed integer of any client.
const MaxOffset Offset = 1<<63 - 1

// maxEpochBytes bounds what a stranger can make us keep of a position.
const maxEpochBytes = 32

// A Position is a point in the log: a reader at a position has everything up to and with it. Its
// text, "k3f9-1207", is opaque to clients. The epoch tells histories apart: it changes when the log
// was lost, and positions of different epochs cannot be compared.
type Position struct {
	Epoch  string // 1 to 32 of [0-9a-z]
	Offset Offset
}

// IsZero reports whether p is the zero Position, which is no point of any log.
func (p Position) IsZero() bool { return p.Epoch == "" }

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
	return strconv.AppendUint(dst, uint64(p.Offset), 10)
}

// MarshalText gives the text of p (encoding.TextMarshaler).
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePosition (encoding.TextUnmarshaler); empty text is the zero Position.
func (p *Position) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Position{}
		return nil
	}
	q, err := ParsePosition(string(text))
	if err == nil {
		*p = q
	}
	return err
}

// Compare orders two positions of one epoch. ok is false when the epochs differ.
func (p Position) Compare(q Position) (order int, ok bool) {
	return cmp.Compare(p.Offset, q.Offset), p.Epoch == q.Epoch
}

// ParsePosition reads a position's text. It accepts only what String writes. The error is an
// *Error with CodeInvalidPosition.
func ParsePosition(text string) (Position, error) {
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
