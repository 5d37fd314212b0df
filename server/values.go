package server

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A value is a Value of any kind.
type value[T any] struct {
	field  *T
	kind   string
	parse  func(text string) (T, error)
	format func(T) string
}

func (v value[T]) String() string { return v.format(*v.field) }
func (v value[T]) Type() string   { return v.kind }

func (v value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err == nil {
		*v.field = parsed
	}
	return err
}

// boolean is a value that a flag may name without saying "true" (pflag asks for IsBoolFlag).
type boolean struct{ value[bool] }

func (boolean) IsBoolFlag() bool { return true }

func newBool(field *bool) Value {
	return boolean{value[bool]{field, "bool", func(text string) (bool, error) {
		switch text {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return false, fmt.Errorf("%q is neither true nor false", text)
	}, strconv.FormatBool}}
}

func newText(field *string) Value {
	return value[string]{field, "text", func(text string) (string, error) {
		if text == "" {
			return "", errors.New("it is empty")
		}
		return text, nil
	}, func(s string) string { return s }}
}

// newOptionalText takes the empty text too.
func newOptionalText(field *string) Value {
	return value[string]{field, "text", func(text string) (string, error) { return text, nil }, func(s string) string { return s }}
}

func newChoice(field *string, choices ...string) Value {
	return value[string]{field, "word", func(text string) (string, error) {
		if !slices.Contains(choices, text) {
			return "", fmt.Errorf("%q is none of %s", text, strings.Join(choices, ", "))
		}
		return text, nil
	}, func(s string) string { return s }}
}

// newDuration takes durations from least to most; most 0 is no limit.
func newDuration(field *time.Duration, least, most time.Duration) Value {
	return value[time.Duration]{field, "duration", func(text string) (time.Duration, error) {
		if text == "0" {
			text = "0s"
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return 0, fmt.Errorf("%q is not a duration; write 10m, 90s or 1h30m", text)
		case d < least || most > 0 && d > most:
			return 0, fmt.Errorf("%s is out of range: from %s%s", d, least, upTo(most))
		}
		return d, nil
	}, time.Duration.String}
}

func upTo(most time.Duration) string {
	if most == 0 {
		return " on"
	}
	return " to " + most.String()
}

func newCount(field *int) Value {
	return value[int]{field, "number", func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%q is not a number from 0 on", text)
		}
		return n, nil
	}, strconv.Itoa}
}

func newSize(field *int, least int) Value {
	return value[int]{field, "size", func(text string) (int, error) {
		n, err := parseSize(text)
		if err == nil && n < least {
			err = fmt.Errorf("%q is less than %d", text, least)
		}
		return n, err
	}, formatSize}
}

// units are those of IEC 80000-13 and of SI, the larger first.
func units() []unit {
	return []unit{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1}}
}

type unit struct {
	name  string
	bytes int
}

// parseSize reads 1048576, 16MiB, 500KB, with or without a blank, in upper or lower case.
func parseSize(text string) (int, error) {
	bad := fmt.Errorf("%q is not a size; write 1048576, 16MiB or 500KB", text)
	digits, factor := text, 1
	for _, u := range units() {
		if head, ok := cutSuffixFold(text, u.name); ok {
			digits, factor = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 62)
	if err != nil || n > math.MaxInt/uint64(factor) {
		return 0, bad
	}
	return int(n) * factor, nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if cut := len(s) - len(suffix); cut >= 0 && strings.EqualFold(s[cut:], suffix) {
		return s[:cut], true
	}
	return s, false
}

// formatSize writes what parseSize reads, in the largest binary unit that leaves a whole number.
func formatSize(n int) string {
	for _, u := range units() {
		if n > 0 && strings.HasSuffix(u.name, "iB") && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.name
		}
	}
	return strconv.Itoa(n)
}

// A list is a value with several parts: the first Set replaces what was there, the next ones add.
type list struct {
	field *[]string
	set   *bool
}

func newList(field *[]string) Value { return list{field, new(bool)} }

func (l list) String() string { return strings.Join(*l.field, ",") }
func (list) Type() string     { return "list" }

func (l list) Set(text string) error {
	if !*l.set {
		*l.field, *l.set = nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l.field = append(*l.field, part)
		}
	}
	return nil
}
