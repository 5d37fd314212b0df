package server

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

func load(t *testing.T, file string, env, flags map[string]string) (Config, error) {
	t.Helper()
	from := Sources{Flags: flags, Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if file != "" {
		from.File = filepath.Join(t.TempDir(), "todoke.yaml")
		if err := os.WriteFile(from.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(from)
}

func TestLoadOfNothingIsTheDefaults(t *testing.T) {
	got, err := load(t, "", nil, nil)
	if err != nil || !reflect.DeepEqual(got, Defaults()) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = load(t, "# only a comment\n", nil, nil)
	if err != nil || !reflect.DeepEqual(got, Defaults()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := `
dev: true
listen: localhost:1
retain_messages: 1
retain_bytes: 1KiB
retain_age: 1m
allow_origin: [https://a.example, "https://b.example"]
namespaces:
  chat: {retain_messages: 500, conflation: latest}
  score:
    conflation: merge
`
	env := map[string]string{"TODOKE_RETAIN_MESSAGES": "2", "TODOKE_LISTEN": "localhost:2", "TODOKE_STOP_TIMEOUT": "", "TODOKE_ALLOW_ORIGIN": "https://c.example, https://d.example"}
	got, err := load(t, file, env, map[string]string{"retain-messages": "3"})
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Dev, want.Listen, want.AllowOrigin = true, "localhost:2", []string{"https://c.example", "https://d.example"}
	want.RetainMessages, want.RetainBytes, want.RetainAge = 3, 1024, time.Minute
	chat, score := want.Namespace, want.Namespace
	chat.RetainMessages, chat.Conflation = 500, "latest"
	score.Conflation = "merge" // and 3 messages, from the flag
	want.Namespaces = map[string]Namespace{"chat": chat, "score": score}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestLoadSaysWhatIsWrongAndWhere(t *testing.T) {
	for name, tt := range map[string]struct {
		file       string
		env, flags map[string]string
		want       []string
	}{
		"a slip in a key":           {"dev: true\nretain_mesages: 1\n", nil, nil, []string{"todoke.yaml:2", `unknown key "retain_mesages"`, "did you mean retain_messages?"}},
		"a slip in a namespace":     {"namespaces:\n  chat:\n    conflate: latest\n", nil, nil, []string{":3", "did you mean conflation?"}},
		"a slip in namespaces":      {"namespace: {}\n", nil, nil, []string{":1", "did you mean namespaces?"}},
		"nothing near":              {"colour: blue\n", nil, nil, []string{`:1: unknown key "colour"`}},
		"a key of the top only":     {"namespaces:\n  chat: {listen: x}\n", nil, nil, []string{":2", `unknown key "listen"`}},
		"a key twice":               {"dev: true\nlisten: a:1\ndev: false\n", nil, nil, []string{":3: dev stands twice; first in line 1"}},
		"no value":                  {"listen:\n", nil, nil, []string{":1", "listen: it takes a value"}},
		"a list for one value":      {"listen: [a, b]\n", nil, nil, []string{":1", "listen: it takes one value"}},
		"an alias":                  {"listen: &x localhost:1\nconflation: *x\n", nil, nil, []string{":2", "it takes a value"}},
		"yes is no bool":            {"dev: yes\n", nil, nil, []string{":1", `"yes" is neither true nor false`}},
		"a list at the top":         {"- dev\n", nil, nil, []string{":1", "key: value"}},
		"not YAML":                  {"dev: [\n", nil, nil, []string{"todoke.yaml", "yaml"}},
		"a namespace with a colon":  {"namespaces:\n  \"a:b\": {}\n", nil, nil, []string{":2", `"a:b" is no namespace`}},
		"a conflation":              {"conflation: sum\n", nil, nil, []string{`"sum" is none of none, latest, append, merge`}},
		"a variable":                {"", map[string]string{"TODOKE_RETAIN_AGE": "5 minutes"}, nil, []string{"TODOKE_RETAIN_AGE", `"5 minutes" is not a duration; write 10m`}},
		"a flag":                    {"", nil, map[string]string{"retain-bytes": "16XB"}, []string{"--retain-bytes", `"16XB" is not a size; write 1048576, 16MiB`}},
		"a negative count":          {"", nil, map[string]string{"retain-messages": "-1"}, []string{"--retain-messages", "from 0 on"}},
		"a size that overflows":     {"retain_bytes: 9999999999GiB\n", nil, nil, []string{"is not a size"}},
		"an engine":                 {"engine: sqlite\n", nil, nil, []string{":1", `engine: "sqlite" is no engine`}},
		"an engine's address":       {"", nil, map[string]string{"engine": "nats://"}, []string{"--engine", "not an address", "nats://host:4222"}},
		"an engine's option":        {"", nil, map[string]string{"engine": "nats://a:1?replica=3"}, []string{`"replica" is no option`}},
		"an engine's replicas":      {"", nil, map[string]string{"engine": "nats://a:1?replicas=x"}, []string{"it is 1, 3 or 5"}},
		"messages of size 0":        {"max_message_bytes: 0\n", nil, nil, []string{"less than 1"}},
		"a stop that takes forever": {"stop_timeout: 100h\n", nil, nil, []string{"out of range: from 1s to 1h"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tt.file, tt.env, tt.flags)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v\ndoes not say %q", err, part)
				}
			}
		})
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "1048576": 1 << 20, "16MiB": 16 << 20, "16 MiB": 16 << 20, "16mib": 16 << 20, "500KB": 500_000, "2GiB": 2 << 30, "3B": 3, "1GB": 1e9, "7KiB": 7 << 10, "8MB": 8e6,
	} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
		if back, err := parseSize(formatSize(want)); err != nil || back != want {
			t.Errorf("%d is written %s", want, formatSize(want))
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1TiB", "0x10", "1 000"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

// One field is one flag, one variable and one key: the table misses none.
func TestEveryFieldIsASetting(t *testing.T) {
	c := Defaults()
	names := map[string]bool{}
	for _, s := range c.Settings() {
		if s.Usage == "" || names[s.Key] {
			t.Errorf("%s: no usage, or twice", s.Key)
		}
		names[s.Key] = true
		if before := s.Value.String(); before != "" {
			if err := s.Value.Set(before); err != nil || s.Value.String() != before {
				t.Errorf("%s: its default %q reads as %q, %v", s.Key, before, s.Value, err)
			}
		}
	}
	var fields func(reflect.Type)
	fields = func(typ reflect.Type) {
		for i := range typ.NumField() {
			switch f := typ.Field(i); {
			case f.Anonymous:
				fields(f.Type)
			case f.Name == "Namespaces" || f.Name == "Logger": // the file's only; no setting
			case !names[snake(f.Name)]:
				t.Errorf("%s is no setting", f.Name)
			}
		}
	}
	fields(reflect.TypeFor[Config]())
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

func TestZeroOfARetentionMeansNoneOrNoLimit(t *testing.T) {
	got := Namespace{Conflation: "none", MaxMessageBytes: 5}.options()
	want := todoke.Namespace{Retention: todoke.Retention{Messages: -1, Bytes: -1, Age: -1}, MaxMessageBytes: 5}
	if got != want {
		t.Errorf("%+v", got)
	}
}

func TestTheServerRefusesToStart(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"without credentials":       {func(c *Config) { c.Dev = false }, "todoke serve --dev"},
		"everywhere":                {func(c *Config) { c.Listen = ":7070" }, "on this machine only"},
		"everywhere, with an IP":    {func(c *Config) { c.Listen = "0.0.0.0:7070" }, "on this machine only"},
		"everywhere, with IPv6":     {func(c *Config) { c.Listen = "[::]:7070" }, "on this machine only"},
		"on another machine's name": {func(c *Config) { c.Listen = "localhost.example.org:7070" }, "on this machine only"},
		"without a port":            {func(c *Config) { c.Listen = "localhost" }, "not host:port"},
		"with a path for an origin": {func(c *Config) { c.AllowOrigin = []string{"https://a.example/"} }, "not an origin"},
		"with data in memory":       {func(c *Config) { c.Data = "/tmp/x" }, "data: the memory engine keeps nothing on disk"},
		"with nats and no data":     {func(c *Config) { c.Engine = "nats" }, "add --data DIR"},
		"with data and an address":  {func(c *Config) { c.Engine, c.Data = "nats://127.0.0.1:1", "/tmp/x" }, "leave data out"},
		"with no such engine":       {func(c *Config) { c.Engine = "papyrus" }, `engine: "papyrus" is no engine; write memory, nats`},
		"with nobody there":         {func(c *Config) { c.Engine = "nats://127.0.0.1:1" }, "no NATS server answers at nats://127.0.0.1:1"},
		"with nobody to trust":      {func(c *Config) { c.Engine = "nats://u:secret@127.0.0.1:1" }, "no NATS server answers at nats://127.0.0.1:1"},
		"with messages too large":   {func(c *Config) { c.Engine, c.Data, c.MaxMessageBytes = "nats", "/tmp/x", 1<<27 }, "max_message_bytes"},
		"with a host for an origin": {func(c *Config) { c.AllowOrigin = []string{"a.example"} }, "not an origin"},
	} {
		c := Defaults()
		c.Dev = true
		tt.change(&c)
		s, err := New(c)
		if err == nil {
			s.Shutdown()
			t.Errorf("%s: it starts", name)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("dev: true\nnamespaces:\n  chat: {retain_messages: 500}\nallow_origin: [a, b]\n")
	f.Add("a: &x [*x]")
	f.Add("? {a: 1}\n: 2\n<<: {dev: true}\n--- \n")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseFile("f.yaml", []byte(text))
		if err != nil {
			return
		}
		c := Defaults()
		if parsed.apply(&c) != nil || parsed.applyNamespaces(&c) != nil {
			return
		}
		for name, n := range c.Namespaces {
			if name == "" || n.MaxMessageBytes < 1 || n.RetainMessages < 0 {
				t.Errorf("%q: %+v", name, n)
			}
		}
	})
}
