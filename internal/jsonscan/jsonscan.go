// Package jsonscan takes JSON objects and arrays apart without making anything of them: the values are slices of the text. It is for small
// documents that come by the thousand, of which encoding/json's tokens cost more than all that is done with them.
//
// It takes what is JSON (RFC 8259) and plain, and nothing else: where it answers false, encoding/json has to be asked, which
// reads what is unusual and says what is wrong. Like encoding/json, it takes bytes above 0x7f as they come: whether a text is UTF-8 is
// the caller's to check.
package jsonscan

import "encoding/binary"

// deepest is how deeply values may be nested: deeper ones are unusual.
const deepest = 64

// Object calls visit for each member of the object that text is, in order. It is false when text is not exactly one object, when a name has
// escapes, and when visit is false; what visit was given until then is to be forgotten, for the rest of text may be anything.
func Object(text []byte, visit func(name, value []byte) bool) bool {
	at, more := opened(text, '{', '}')
	for more {
		end := stringEnd(text, at)
		if end < 0 {
			return false
		}
		name := text[at+1 : end-1]
		for _, c := range name {
			if c == '\\' {
				return false
			}
		}
		if at = space(text, end); at == len(text) || text[at] != ':' {
			return false
		}
		at = space(text, at+1)
		if end = valueEnd(text, at, 1); end < 0 || !visit(name, text[at:end:end]) {
			return false
		}
		at, more = next(text, end, '}')
	}
	return at == len(text)
}

// Array calls visit for each element of the array that text is; otherwise it is as Object.
func Array(text []byte, visit func(value []byte) bool) bool {
	at, more := opened(text, '[', ']')
	for more {
		end := valueEnd(text, at, 1)
		if end < 0 || !visit(text[at:end:end]) {
			return false
		}
		at, more = next(text, end, ']')
	}
	return at == len(text)
}

// Valid reports whether text is a JSON value, with white space around it.
func Valid(text []byte) bool {
	at := valueEnd(text, space(text, 0), 0)
	return at >= 0 && space(text, at) == len(text)
}

// String returns what a JSON string without escapes says; ok is false for any other value.
func String(value []byte) (text []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' || stringEnd(value, 0) != len(value) {
		return nil, false
	}
	text = value[1 : len(value)-1]
	for _, c := range text {
		if c == '\\' {
			return nil, false
		}
	}
	return text, true
}

// opened finds where the first member of a text begins that is of the kind. Without one, at is the text's end, or -1 for a text that is wrong.
func opened(text []byte, first, last byte) (at int, more bool) {
	if at = space(text, 0); at == len(text) || text[at] != first {
		return -1, false
	}
	if at = space(text, at+1); at < len(text) && text[at] == last {
		return space(text, at+1), false
	}
	return at, true
}

// next finds where the member after the one that ended begins; like opened.
func next(text []byte, end int, last byte) (at int, more bool) {
	at = space(text, end)
	switch {
	case at == len(text):
		return -1, false
	case text[at] == ',':
		return space(text, at+1), true
	case text[at] == last:
		return space(text, at+1), false
	default:
		return -1, false
	}
}

// space skips white space.
func space(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}

// valueEnd returns where the value ends that begins at a place, or -1.
func valueEnd(text []byte, at, depth int) int {
	if at >= len(text) || depth > deepest {
		return -1
	}
	switch c := text[at]; c {
	case '"':
		return stringEnd(text, at)
	case '{':
		return membersEnd(text, at, depth, '}')
	case '[':
		return membersEnd(text, at, depth, ']')
	case 't':
		return wordEnd(text, at, "true")
	case 'f':
		return wordEnd(text, at, "false")
	case 'n':
		return wordEnd(text, at, "null")
	default:
		return numberEnd(text, at)
	}
}

func wordEnd(text []byte, at int, word string) int {
	if len(text)-at < len(word) || string(text[at:at+len(word)]) != word {
		return -1
	}
	return at + len(word)
}

// membersEnd is valueEnd of an object or an array.
func membersEnd(text []byte, at, depth int, last byte) int {
	if at = space(text, at+1); at < len(text) && text[at] == last {
		return at + 1
	}
	for {
		if last == '}' {
			if at = stringEnd(text, at); at < 0 {
				return -1
			}
			if at = space(text, at); at == len(text) || text[at] != ':' {
				return -1
			}
			at = space(text, at+1)
		}
		if at = valueEnd(text, at, depth+1); at < 0 {
			return -1
		}
		at = space(text, at)
		switch {
		case at == len(text):
			return -1
		case text[at] == last:
			return at + 1
		case text[at] != ',':
			return -1
		}
		at = space(text, at+1)
	}
}

// plain reports whether none of eight bytes is a quote, a backslash or a control character. Each test sets the highest bit of a byte that
// is 0 after the exclusive or, or less than a space; bytes above 0x7f pass.
func plain(word uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := word^(ones*'"'), word^(ones*'\\')
	found := (quote-ones)&^quote | (backslash-ones)&^backslash | (word-ones*' ')&^word
	return found&highs == 0
}

// stringEnd returns where the string ends that begins at a place, behind its quote, or -1.
func stringEnd(text []byte, at int) int {
	if at >= len(text) || text[at] != '"' {
		return -1
	}
	for at++; at < len(text); at++ {
		for at+8 <= len(text) && plain(binary.LittleEndian.Uint64(text[at:])) {
			at += 8
		}
		if at == len(text) {
			return -1
		}
		switch c := text[at]; {
		case c == '"':
			return at + 1
		case c == '\\':
			if at = escapeEnd(text, at+1); at < 0 {
				return -1
			}
		case c < ' ':
			return -1
		}
	}
	return -1
}

// escapeEnd returns the last place of the escape whose backslash is before the place, or -1.
func escapeEnd(text []byte, at int) int {
	if at >= len(text) {
		return -1
	}
	switch text[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at
	case 'u':
		if len(text)-at < 5 {
			return -1
		}
		for _, c := range text[at+1 : at+5] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return -1
			}
		}
		return at + 4
	default:
		return -1
	}
}

// numberEnd returns where the number ends that begins at a place, or -1 (RFC 8259 §6).
func numberEnd(text []byte, at int) int {
	if text[at] == '-' {
		at++
	}
	whole := digits(text, at)
	if whole == at || text[at] == '0' && whole > at+1 {
		return -1
	}
	at = whole
	if at < len(text) && text[at] == '.' {
		fraction := digits(text, at+1)
		if fraction == at+1 {
			return -1
		}
		at = fraction
	}
	if at < len(text) && (text[at] == 'e' || text[at] == 'E') {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		exponent := digits(text, at)
		if exponent == at {
			return -1
		}
		at = exponent
	}
	return at
}

// digits skips digits.
func digits(text []byte, at int) int {
	for at < len(text) && text[at] >= '0' && text[at] <= '9' {
		at++
	}
	return at
}
