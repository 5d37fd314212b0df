package framing

import "unicode/utf8"

// checkText looks at text that may be cut within a character. It returns how much of it is whole characters; ok is false when
// the text cannot be UTF-8 whatever follows it.
func checkText(text []byte) (whole int, ok bool) {
	whole = len(text)
	// The last character may be cut if it begins in the last three bytes.
	for i := len(text) - 1; i >= 0 && i >= len(text)-(utf8.UTFMax-1); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) { // it is for bytes that cannot be completed
				whole = i
			}
			break
		}
	}
	return whole, utf8.Valid(text[:whole])
}
