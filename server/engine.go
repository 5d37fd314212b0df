package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/redis"
)

// engineMemory is the engine that needs nothing, and whose log ends with the process.
const engineMemory = "memory"

// engines are the ways to keep the log, by the scheme of the engine's URL, or the word alone.
var engines = map[string]func(Config, *slog.Logger) (todoke.Engine, error){
	engineMemory: memoryEngine,
	"nats":       natsEngine,
	"tls":        natsEngine,
	"redis":      redisEngine,
	"rediss":     redisEngine,
	"valkey":     redisEngine,
	"valkeys":    redisEngine,
	"unix":       redisEngine,
}

// checkEngine looks at the setting alone. Errors do not repeat passwords.
func checkEngine(text string) error {
	scheme, rest, _ := strings.Cut(text, ":")
	if engines[scheme] == nil || scheme == engineMemory && rest != "" {
		return fmt.Errorf("%q is no engine; write memory, nats (with --data DIR), nats://host:4222, or redis://127.0.0.1:6379", redact(text))
	}
	if scheme == "nats" || scheme == "tls" {
		_, err := parseNATS(text)
		return err
	}
	return nil
}

// engine makes the engine that is configured; the hub opens it.
func (c Config) engine(log *slog.Logger) (todoke.Engine, error) {
	if err := checkEngine(c.Engine); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if _, err := c.cluster(); err != nil {
		return nil, err
	}
	scheme, _, _ := strings.Cut(c.Engine, ":")
	return engines[scheme](c, log)
}

func memoryEngine(c Config, _ *slog.Logger) (todoke.Engine, error) {
	if c.Data != "" {
		return nil, errors.New("data: the memory engine keeps nothing on disk; say --engine nats to keep the log in data, or leave data out")
	}
	return nil, nil // the core brings it
}

func redisEngine(c Config, log *slog.Logger) (todoke.Engine, error) {
	if c.Data != "" {
		return nil, errors.New("data: the log lives on the Redis server; leave data out, or say --engine nats to keep it here")
	}
	e, err := redis.New(redis.Options{URL: c.Engine, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return e, nil
}

// A secretURL is a URL that may have a password in it, which String does not tell.
type secretURL struct{ value[string] }

func newEngineValue(field *string) Value {
	text := newText(field).(value[string])
	text.kind = "url"
	text.parse = func(text string) (string, error) { return text, checkEngine(text) }
	return secretURL{text}
}

// String is the URL with xxxxx for the password.
func (s secretURL) String() string { return redact(*s.field) }

// Secret is the URL as it was set, to be handed on and not printed.
func (s secretURL) Secret() string { return *s.field }

// redact hides what may be a password. Of a text that is no URL it leaves what stands before the first colon.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		scheme, _, found := strings.Cut(text, ":")
		if found {
			return scheme + ":…"
		}
		return scheme
	}
	return u.Redacted()
}
