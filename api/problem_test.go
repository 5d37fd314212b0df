package api_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/problem"
)

type problemVector struct {
	Name  string `json:"name"`
	Error struct {
		Code         todoke.Code `json:"code"`
		Field        string      `json:"field,omitempty"`
		Hint         string      `json:"hint,omitempty"`
		RetryAfterMS int64       `json:"retry_after_ms,omitempty"`
	} `json:"error"`
	// HTTP is the answer to a request: its status, its Retry-After, and its body.
	HTTP struct {
		Status     int    `json:"status"`
		RetryAfter string `json:"retry_after,omitempty"`
		Body       string `json:"body"`
	} `json:"http"`
	Wire struct {
		// Session is the answer to the request 1 of a session.
		Session string `json:"session"`
	} `json:"wire"`
}

func (v *problemVector) err() *todoke.Error {
	e := v.Error
	return &todoke.Error{Code: e.Code, Field: e.Field, Hint: e.Hint, RetryAfter: time.Duration(e.RetryAfterMS) * time.Millisecond}
}

func TestProblems(t *testing.T) {
	vectors := *golden[[]problemVector](t, "problems.json")
	engine := &refusingEngine{Engine: todoke.NewMemory(todoke.MemoryOptions{})}
	hub := newHub(t, todoke.Options{Engine: engine, Authorizer: todoke.AllowAll})
	session := dial(t, serveSessions(t, hub), hub)
	var seen []string
	for i := range vectors {
		v := &vectors[i]
		v.checkHTTP(t)
		engine.answer.Store(v.err())
		answer := exchange{Name: v.Name, Send: `{"id":1,"publish":{"channel":"a","data":""}}`, Get: []string{v.Wire.Session}}
		session.exchange(t, &answer)
		v.Wire.Session = answer.Get[0]
		seen = append(seen, string(v.Error.Code))
	}
	for _, code := range codes(t) {
		if !slices.Contains(seen, code) {
			t.Errorf("no vector has the code %s", code)
		}
	}
}

func (v *problemVector) checkHTTP(t *testing.T) {
	t.Helper()
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), v.err())
	same(t, v.Name, w.Body.Bytes(), &v.HTTP.Body)
	if *update {
		v.HTTP.Status, v.HTTP.RetryAfter = w.Code, w.Header().Get("Retry-After")
	}
	if w.Code != v.HTTP.Status || w.Header().Get("Retry-After") != v.HTTP.RetryAfter {
		t.Errorf("%s: status %d, Retry-After %q; want %+v", v.Name, w.Code, w.Header().Get("Retry-After"), v.HTTP)
	}
	var back problem.Problem
	if err := json.Unmarshal([]byte(v.HTTP.Body), &back); err != nil {
		t.Fatal(err)
	}
	if back.Code != v.Error.Code || back.Field != v.Error.Field || back.Status != v.HTTP.Status || v.Error.Hint != "" && back.Detail != v.Error.Hint {
		t.Errorf("%s comes back as %+v", v.Name, back)
	}
}

// A refusingEngine answers every publish with one error.
type refusingEngine struct {
	todoke.Engine
	answer atomic.Pointer[todoke.Error]
}

func (e *refusingEngine) Publish(context.Context, []*todoke.Message, []todoke.Result) error {
	return e.answer.Load()
}

// codes returns the values of the constants Code… in the core's errors.go, in their order.
func codes(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, isValue := n.(*ast.ValueSpec)
		if !isValue {
			return true
		}
		if kind, named := spec.Type.(*ast.Ident); !named || kind.Name != "Code" {
			return false
		}
		for _, value := range spec.Values {
			literal, isLiteral := value.(*ast.BasicLit)
			if !isLiteral {
				t.Fatal("a code is not written out as a string")
			}
			code, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return false
	})
	if len(codes) < 20 {
		t.Fatalf("only %d codes in errors.go: %q", len(codes), codes)
	}
	return codes
}

// TestErrorsPage holds docs/errors.md to the codes and to their statuses: problem.type links to its headings.
func TestErrorsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile("(?m)^## ([a-z_]+)\n\nHTTP ([0-9]{3}) · gRPC `([A-Z_]+)` · session: .+\n\n[^\n]{20}")
	var explained []string
	for _, found := range section.FindAllStringSubmatch(string(page), -1) {
		code, status, grpc := found[1], found[2], found[3]
		explained = append(explained, code)
		if want := strconv.Itoa(problem.Status(todoke.Code(code))); status != want {
			t.Errorf("%s: the page says %s and the server %s", code, status, want)
		}
		if !slices.Contains(grpcStatuses, grpc) {
			t.Errorf("%s: gRPC has no status %s", code, grpc)
		}
	}
	if want := codes(t); !slices.Equal(explained, want) {
		t.Errorf("the page explains\n%q, but the codes are\n%q", explained, want)
	}
	for _, code := range codes(t) {
		if got, want := problem.Of(todoke.Code(code)).Type, problem.TypePrefix+code; got != want {
			t.Errorf("%s has the type %s, which is no heading of the page; want %s", code, got, want)
		}
	}
}

// grpcStatuses are the names of gRPC's status codes for errors.
var grpcStatuses = []string{
	"CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}
