package house

import (
	"slices"
	"strings"
	"testing"
)

// Invariant: the core, and so every program that embeds it, brings nothing but the standard library.
func coreIsSmall(t *testing.T, h *house) {
	out := run(t, h.root, "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	for path := range strings.FieldsSeq(out) {
		if path != module && !strings.HasPrefix(path, module+"/internal/") {
			t.Errorf("package todoke reaches %s; rooms import the core, never the reverse", path)
		}
	}
}

// rooms are the folders at the top, and which of them their packages may import beside their own room.
// cmd → server → transport, push, rtc, engine, auth → todoke → internal; rooms of one rank do not know each other.
var rooms = map[string][]string{
	"internal":  {},
	"api":       {}, // the schemas
	"console":   {}, // pages
	"":          {"internal"},
	"engine":    {"", "internal"},
	"transport": {"", "internal", "api"},
	"push":      {"", "internal", "api"},
	"rtc":       {"", "internal", "api"},
	"auth":      {"", "internal"},
	"client":    {"", "internal", "api", "transport"}, // it reads the wire that the transports write
	"server":    {"", "internal", "api", "console", "transport", "push", "rtc", "engine", "auth"},
	"cmd":       {"", "internal", "api", "console", "transport", "push", "rtc", "engine", "auth", "client", "server"},
}

// Rooms beside the house look at all of it, and nobody imports them.
var beside = []string{"test", "bench", "examples", "tools"}

// room returns the room of a package of the module; ok is false for others.
func room(path string) (name string, ok bool) {
	if path == module {
		return "", true
	}
	rest, ok := strings.CutPrefix(path, module+"/")
	name, _, _ = strings.Cut(rest, "/")
	return name, ok
}

func arrows(t *testing.T, h *house) {
	for _, p := range h.packages {
		from, _ := room(p.ImportPath)
		if slices.Contains(beside, from) {
			continue
		}
		allowed, known := rooms[from]
		if !known {
			t.Errorf("%s is in a room that test/house does not know: say there what it may import", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			to, ours := room(path)
			if !ours || to == from || slices.Contains(allowed, to) {
				continue
			}
			t.Errorf("%s imports %s: arrows point cmd → server → transport, push, rtc, engine, auth → todoke → internal", p.ImportPath, path)
		}
	}
}

// testHelpers: a package that imports testing links its flags into a program, so only tests import it.
func testHelpers(t *testing.T, h *house) {
	forTests := map[string]bool{"testing": true, "testing/synctest": true, "net/http/httptest": true}
	for _, p := range h.packages {
		if strings.HasSuffix(p.Name, "test") {
			forTests[p.ImportPath] = true
		}
	}
	for _, p := range h.packages {
		if forTests[p.ImportPath] {
			continue
		}
		if from, _ := room(p.ImportPath); slices.Contains(beside, from) {
			continue
		}
		for _, path := range p.Imports {
			if forTests[path] {
				t.Errorf("%s imports %s outside of its tests", p.ImportPath, path)
			}
		}
	}
}
