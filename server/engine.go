package server

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/redis"
)

// engineMemory is the engine that needs nothing, and whose log ends with the process.
const engineMemory = "memory"

// engines are the ways to keep the log, by the scheme of the engine's URL.
var engines = map[string]func(Config, *slog.Logger) (todoke.Engine, error){
	engineMemory: memoryEngine,
	"redis":      redisEngine,
	"rediss":     redisEngine,
	"valkey":     redisEngine,
	"valkeys":    redisEngine,
	"unix":       redisEngine,
}

// engine makes the engine that is configured; the hub opens it. Errors do not repeat passwords.
func (c Config) engine(log *slog.Logger) (todoke.Engine, error) {
	scheme, _, _ := strings.Cut(c.Engine, ":")
	make, known := engines[scheme]
	if !known || scheme == engineMemory && c.Engine != engineMemory {
		return nil, fmt.Errorf("engine: %q is not known; write memory, or redis://127.0.0.1:6379", redact(c.Engine))
	}
	e, err := make(c, log)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return e, nil
}

func memoryEngine(Config, *slog.Logger) (todoke.Engine, error) {
	return todoke.NewMemory(todoke.MemoryOptions{}), nil
}

func redisEngine(c Config, log *slog.Logger) (todoke.Engine, error) {
	return redis.New(redis.Options{URL: c.Engine, Logger: log})
}

// A secretURL is a URL that may have a password in it, which String does not tell.
type secretURL struct{ value[string] }

func newSecretURL(field *string) Value {
	text := newText(field).(value[string])
	text.kind = "url"
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
