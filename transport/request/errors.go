package request

import (
	"fmt"
	"strings"

	"github.com/todoke-dev/todoke"
)

func badParameter(field, format string, args ...any) error {
	return &todoke.Error{Code: todoke.CodeInvalidParameter, Field: field, Hint: fmt.Sprintf(format, args...)}
}

func badMessage(field, format string, args ...any) error {
	return &todoke.Error{Code: todoke.CodeInvalidMessage, Field: field, Hint: fmt.Sprintf(format, args...)}
}

// renamed returns err with another field.
func renamed(err error, field string) error {
	e := *todoke.AsError(err)
	e.Field = field
	return &e
}

// clip keeps what a stranger sent short before it goes back in a hint.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
