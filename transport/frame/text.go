package frame

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
)

// AppendString appends s as a JSON string (RFC 8259 §7). Only what must be is escaped: the quote, the backslash and the
// controls below U+0020. U+2028 and U+2029 stay as they are: since ES2019 they may stand in a JavaScript string, no line
// of SSE ends at them, and escaping them here would promise something that JSON data, sent as published, does not
// keep. What is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped appends valid UTF-8 with escapes, without the quotes.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	return append(dst, s[start:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

// appendTime appends t in UTC (RFC 3339), quoted.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendPosition appends p's text; the zero Position is empty.
func appendPosition(dst []byte, p todoke.Position) []byte {
	if p.IsZero() {
		return dst
	}
	return p.AppendTo(dst)
}

func appendUint(dst []byte, n uint32) []byte { return strconv.AppendUint(dst, uint64(n), 10) }

// appendSeconds appends d as seconds with milliseconds, "2.140s", which time.ParseDuration reads.
func appendSeconds(dst []byte, d time.Duration) []byte {
	dst = strconv.AppendFloat(dst, max(d, 0).Seconds(), 'f', 3, 64)
	return append(dst, 's')
}
