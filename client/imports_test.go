package client_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program that talks to todoke does not link a server.
func TestClientDoesNotReachTheServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"github.com/todoke-dev/todoke": true, "github.com/todoke-dev/todoke/client": true,
		"github.com/todoke-dev/todoke/transport/frame": true, "github.com/todoke-dev/todoke/internal/jsonscan": true,
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !allowed[path] && !strings.HasPrefix(path, "github.com/coder/websocket") {
			t.Errorf("package client reaches %s", path)
		}
	}
}

// A client takes no position apart: what looks into one today breaks with a log in partitions. Compare knows when there is no order.
func TestClientTakesNoPositionApart(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, found := range lookInside(t, name, nil) {
			t.Errorf("%s uses %s: carry positions as they are", name, found)
		}
	}
	peek := "package p\nvar a = p.Offset\nvar b = p.Epoch\nvar c, _ = todoke.ParsePosition(s)\nvar d = p.String()\n"
	if got := strings.Join(lookInside(t, "peek.go", peek), " "); got != "Offset Epoch ParsePosition" {
		t.Errorf("of what looks inside it finds %q", got)
	}
}

func lookInside(t *testing.T, name string, text any) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	inside := map[string]bool{"Offset": true, "Epoch": true, "ParsePosition": true}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && inside[s.Sel.Name] {
			found = append(found, s.Sel.Name)
		}
		return true
	})
	return found
}
