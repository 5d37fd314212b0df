package server

import (
	"strings"
	"testing"
)

func TestEngineErrorsSayWhatToWrite(t *testing.T) {
	for engine, want := range map[string]string{
		"disk":                            `"disk" is no engine; write memory, nats (with --data DIR), nats://host:4222, or redis://127.0.0.1:6379`,
		"memory:x":                        "is no engine",
		"mysql://root:sesame@host":        "mysql://root:xxxxx@host",
		"redis:sesame@host":               "the URL has no host",
		"redis://u:sesame@host/x/y":       "invalid URL path",
		"redis://u:sesame@host?cluster=/": "cluster",
		"redis://u:sesame@127.0.0.1:1/":   "Redis at redis://127.0.0.1:1/ cannot be used: is it running",
	} {
		c := Defaults()
		c.Dev, c.Engine = true, engine
		s, err := New(c)
		if err == nil {
			s.Shutdown()
			t.Errorf("%s: it starts", engine)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v; want %q, and no password", engine, err, want)
		}
	}
}

// A password is handed on from wherever it was set, and printed nowhere.
func TestEngineKeepsItsPasswordToItself(t *testing.T) {
	const url = "redis://u:sesame@host:6379/0"
	for _, from := range []struct {
		name, file string
		env, flags map[string]string
	}{
		{"file", "engine: " + url + "\n", nil, nil},
		{"variable", "", map[string]string{"TODOKE_ENGINE": url}, nil},
		{"flag", "", nil, map[string]string{"engine": url}},
	} {
		c, err := load(t, from.file, from.env, from.flags)
		if err != nil || c.Engine != url {
			t.Errorf("%s: %q, %v", from.name, c.Engine, err)
		}
		for _, s := range c.Settings() {
			if strings.Contains(s.Value.String(), "sesame") {
				t.Errorf("%s: %s prints as %s", from.name, s.Key, s.Value)
			}
		}
	}
	for text, want := range map[string]string{
		"memory": "memory", "redis://:sesame@h/": "redis://:xxxxx@h/", "redis:sesame@h": "redis:…", "redis://u:sesame%zz@h": "redis:…", "sesame%zz": "sesame%zz",
	} {
		if got := redact(text); got != want {
			t.Errorf("%q prints as %q, want %q", text, got, want)
		}
	}
}
