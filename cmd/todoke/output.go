package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

// A printer writes a message.
type printer func(w io.Writer, m *todoke.Message) error

func printerOf(output string) (printer, error) {
	switch output {
	case "human":
		return printHuman, nil
	case "raw":
		return printRaw, nil
	case "jsonl":
		return printJSONLine, nil
	}
	return nil, usagef("--output %q: it is human, raw or jsonl", output)
}

func printRaw(w io.Writer, m *todoke.Message) error {
	if _, err := w.Write(m.Data); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func printJSONLine(w io.Writer, m *todoke.Message) error {
	// JSON data stands as it was published, and may have line breaks between its parts: not in a line.
	line := []byte(strings.NewReplacer("\n", " ", "\r", " ").Replace(string(frame.AppendMessage(nil, m))))
	_, err := w.Write(append(line, '\n'))
	return err
}

// printHuman writes what a person wants to see: nothing in it moves the cursor or changes colours, whoever published it.
func printHuman(w io.Writer, m *todoke.Message) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", m.Position, harmless(m.Channel))
	if m.Event != "" {
		b.WriteString(" " + harmless(m.Event))
	}
	if m.Key != "" {
		b.WriteString(" (" + harmless(m.Key) + ")")
	}
	b.WriteString("  ")
	if m.IsText() || m.IsJSON() && utf8.Valid(m.Data) {
		b.WriteString(harmless(m.Text()))
	} else {
		fmt.Fprintf(&b, "<%d bytes of %s>", len(m.Data), harmless(m.Type))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// harmless writes control characters and what turns the direction of writing as \x1b or \u202e. Line breaks within a
// message begin the next line with blanks, so that it does not look like another message.
func harmless(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("\n    ")
		case r == '\t':
			b.WriteRune(r)
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
