package server

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/todoke-dev/todoke"
)

// What the setting engine may be. Those of addresses have a file of their own.
const engineMemory = "memory"

// newEngine makes the engine that the settings name; nil is the memory engine, which the core brings. It starts nothing: the
// hub does. The errors name the setting.
func (c Config) newEngine(log *slog.Logger) (todoke.Engine, error) {
	switch {
	case c.Engine == engineMemory && c.Data != "":
		return nil, errors.New("data: the memory engine keeps nothing on disk; say --engine nats to keep the log there, or leave data out")
	case c.Engine == engineMemory:
		return nil, nil
	case isNATS(c.Engine):
		return c.newNATS(log)
	}
	return nil, fmt.Errorf("engine: %w", checkEngine(c.Engine))
}

// checkEngine looks at the setting alone.
func checkEngine(text string) error {
	switch {
	case text == engineMemory:
		return nil
	case isNATS(text):
		_, err := parseNATS(text)
		return err
	}
	name, _, _ := strings.Cut(text, "://")
	return fmt.Errorf("%q is no engine; write memory, nats (with --data DIR), or nats://host:4222", name)
}

// newEngineValue is the setting's Value.
func newEngineValue(field *string) Value {
	return value[string]{field, "engine", func(text string) (string, error) { return text, checkEngine(text) }, func(s string) string { return s }}
}
