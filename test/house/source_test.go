package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// mostLines is where a file wants to be two; a list of cases may be longer.
const (
	mostLines     = 450
	mostTestLines = 600
)

func shortFiles(t *testing.T, h *house) {
	for _, s := range h.sources {
		most := mostLines
		if strings.HasSuffix(s.path, "_test.go") {
			most = mostTestLines
		}
		if s.lines > most {
			t.Errorf("%s has %d lines, over %d: which two things does it hold?", s.path, s.lines, most)
		}
	}
}

func packageComments(t *testing.T, h *house) {
	type key struct{ dir, name string }
	commented := map[key]bool{}
	for _, s := range h.sources {
		k := key{s.dir, strings.TrimSuffix(s.file.Name.Name, "_test")}
		commented[k] = commented[k] || s.file.Doc != nil
	}
	for k, ok := range commented {
		if !ok {
			t.Errorf("package %s in %s has no comment: what is it for, and what does it promise?", k.name, k.dir)
		}
	}
}

// documented are the rooms whose exported names others read.
var documented = []string{".", "transport", "engine", "client", "push", "rtc", "auth"}

func exportedComments(t *testing.T, h *house) {
	for _, s := range h.sources {
		if s.isTest() || s.file.Name.Name == "main" {
			continue
		}
		top, _, _ := strings.Cut(s.dir, "/")
		for _, dir := range documented {
			if dir != top {
				continue
			}
			for _, name := range undocumented(s.file) {
				t.Errorf("%s: %s has no comment", s.path, name)
			}
		}
	}
}

// undocumented returns the exported names of file without a comment. A comment on a group of constants or variables
// counts for all of them; a method counts when its receiver's type is exported.
func undocumented(file *ast.File) (names []string) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				receiver := receiverOf(d)
				if !ast.IsExported(receiver) {
					continue
				}
				name = receiver + "." + name
			}
			if d.Name.IsExported() && d.Doc == nil {
				names = append(names, name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, undocumentedSpec(d, spec)...)
			}
		}
	}
	return names
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func receiverOf(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// noSleep: a test waits for a condition. Inside a call of synctest.Test time is fake, and sleeping takes none.
func noSleep(t *testing.T, h *house) {
	for _, s := range h.sources {
		if !s.isTest() && !strings.HasSuffix(s.file.Name.Name, "test") {
			continue
		}
		if n := sleeps(s.file); n > 0 {
			t.Errorf("%s uses time.Sleep %d times: wait for a condition, or use testing/synctest", s.path, n)
		}
	}
}

// sleeps counts the uses of time.Sleep in real time.
func sleeps(file *ast.File) (n int) {
	timeName, fakeName := importName(file, "time"), importName(file, "testing/synctest")
	ast.Inspect(file, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok && fakeName != "" && isName(call.Fun, fakeName, "Test") {
			return false
		}
		if expr, ok := node.(ast.Expr); ok && timeName != "" && isName(expr, timeName, "Sleep") {
			n++
		}
		return true
	})
	return n
}

// isName reports whether expr is pkg.name.
func isName(expr ast.Expr, pkg, name string) bool {
	sel, ok := expr.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// importName returns the name by which file knows the package path, or "".
func importName(file *ast.File, path string) string {
	for _, imp := range file.Imports {
		if p, err := strconv.Unquote(imp.Path.Value); err != nil || p != path {
			continue
		}
		if imp.Name != nil {
			return imp.Name.Name
		}
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// The rules that look at names, tried on a file made to break them.
func TestUndocumented(t *testing.T) {
	file := parseText(t, `package p
type A struct{}
// B is documented.
type B struct{}
func (A) M() {}
// N is documented.
func (a *A) N() {}
func (c[T]) hidden() {}
type c[T any] struct{}
func (c[T]) Unseen() {}
func F() {}
const X = 1
// Group.
const ( Y = 1; Z = 2 )
const W = 1 // in the line
var V int
`)
	got := strings.Join(undocumented(file), " ")
	if want := "A A.M F X V"; got != want {
		t.Errorf("undocumented gives %q, want %q", got, want)
	}
	if name := importName(parseText(t, "package p\nimport clock \"time\"\n"), "time"); name != "clock" {
		t.Errorf("importName gives %q", name)
	}
}

func TestSleeps(t *testing.T) {
	file := parseText(t, `package p
import ("testing"; "testing/synctest"; clock "time")
func TestA(t *testing.T) {
	clock.Sleep(1)
	sleep := clock.Sleep
	synctest.Test(t, func(t *testing.T) { clock.Sleep(1) })
	time.Sleep(1)
}
`)
	if n := sleeps(file); n != 2 {
		t.Errorf("sleeps gives %d, want 2", n)
	}
}

func parseText(t *testing.T, text string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
