// Package house holds the house rules: what must be true of the whole repository and a program can tell. Each rule is
// a test whose failure says what to do.
package house

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/todoke-dev/todoke"

// A listed package is what go list says of a package of the module.
type listed struct {
	ImportPath   string
	Name         string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// A source is one parsed Go file.
type source struct {
	path  string // from the root of the repository, with slashes
	dir   string
	lines int
	file  *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// A house is the repository as the rules see it.
type house struct {
	root     string
	packages []listed
	sources  []source // without generated ones
}

func TestHouse(t *testing.T) {
	h := enter(t)
	for _, rule := range []struct {
		name  string
		check func(t *testing.T, h *house)
	}{
		{"the core needs only the standard library", coreIsSmall},
		{"rooms import one way", arrows},
		{"what is built for tests stays in tests", testHelpers},
		{"files are short", shortFiles},
		{"every package has a comment", packageComments},
		{"every exported name has a comment", exportedComments},
		{"no test sleeps", noSleep},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, h) })
	}
}

// enter lists the packages and parses the files.
func enter(t *testing.T) *house {
	t.Helper()
	h := &house{root: strings.TrimSpace(run(t, ".", "go", "list", "-m", "-f", "{{.Dir}}"))}
	list := json.NewDecoder(strings.NewReader(run(t, h.root, "go", "list", "-e", "-json=ImportPath,Name,Dir,Imports,TestImports,XTestImports", "./...")))
	for {
		var p listed
		err := list.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		h.packages = append(h.packages, p)
	}
	if len(h.packages) == 0 {
		t.Fatal("go list found no packages")
	}
	h.parse(t)
	return h
}

// parse reads every Go file of the repository, those of nested modules too.
func (h *house) parse(t *testing.T) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != h.root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "testdata", "vendor", "dist"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if ast.IsGenerated(file) {
			return nil
		}
		rel, err := filepath.Rel(h.root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		h.sources = append(h.sources, source{path: rel, dir: filepath.ToSlash(filepath.Dir(rel)), lines: strings.Count(string(text), "\n"), file: file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, complaints.String())
	}
	return string(out)
}
