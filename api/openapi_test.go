package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/api"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

// A document is openapi.yaml, parsed.
type document map[string]any

func openAPI(t *testing.T) document {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at follows a JSON pointer (RFC 6901); nil: nothing is there.
func (doc document) at(pointer string) any {
	var here any = map[string]any(doc)
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		object, _ := here.(map[string]any)
		here = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return here
}

// resolve follows a reference, where object is one.
func (doc document) resolve(object map[string]any) map[string]any {
	ref, isRef := object["$ref"].(string)
	if !isRef {
		return object
	}
	target, _ := doc.at(strings.TrimPrefix(ref, "#")).(map[string]any)
	return target
}

// walk calls visit for each object of the document.
func walk(here any, path string, visit func(path string, object map[string]any)) {
	switch here := here.(type) {
	case map[string]any:
		visit(path, here)
		for name, value := range here {
			walk(value, path+"/"+name, visit)
		}
	case []any:
		for _, value := range here {
			walk(value, path+"/-", visit)
		}
	}
}

// operations calls visit for each operation, as "GET /v1/messages".
func (doc document) operations(visit func(name string, operation map[string]any)) {
	for path, item := range doc["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			visit(strings.ToUpper(method)+" "+path, operation.(map[string]any))
		}
	}
}

func TestOpenAPIReferences(t *testing.T) {
	doc := openAPI(t)
	used := make(map[string]bool)
	walk(map[string]any(doc), "", func(path string, object map[string]any) {
		ref, isRef := object["$ref"].(string)
		if !isRef {
			return
		}
		used[ref] = true
		if pointer, local := strings.CutPrefix(ref, "#"); !local || doc.at(pointer) == nil {
			t.Errorf("%s: %s is nowhere", path, ref)
		}
	})
	for kind, parts := range doc["components"].(map[string]any) {
		for name := range parts.(map[string]any) {
			if kind != "securitySchemes" && !used["#/components/"+kind+"/"+name] {
				t.Errorf("nothing uses components/%s/%s", kind, name)
			}
		}
	}
}

func TestOpenAPIOperations(t *testing.T) {
	doc := openAPI(t)
	var ids []string
	doc.operations(func(name string, operation map[string]any) {
		for _, field := range []string{"operationId", "summary", "description"} {
			if text, _ := operation[field].(string); text == "" {
				t.Errorf("%s has no %s", name, field)
			}
		}
		if id := operation["operationId"]; slices.Contains(ids, id.(string)) {
			t.Errorf("%s: another operation is %s", name, id)
		} else {
			ids = append(ids, id.(string))
		}
		responses, _ := operation["responses"].(map[string]any)
		for _, status := range []string{"400", "401", "403", "429", "500", "503", "default"} {
			if responses[status] == nil {
				t.Errorf("%s has no response %s", name, status)
			}
		}
		for status, response := range responses {
			content, _ := doc.resolve(response.(map[string]any))["content"].(map[string]any)
			if isProblem := content["application/problem+json"] != nil; isProblem != (status >= "400") {
				t.Errorf("%s: is %s a problem document or not?", name, status)
			}
		}
		doc.checkParameters(t, name, operation)
	})
}

// TestOpenAPIOperationsAreServed: what the document has is what the handler has; HEAD and OPTIONS go without saying.
func TestOpenAPIOperationsAreServed(t *testing.T) {
	handler := httpapi.New(newHub(t, todoke.Options{}), httpapi.Options{})
	for path, item := range openAPI(t)["paths"].(map[string]any) {
		var want []string
		for method := range item.(map[string]any) {
			want = append(want, strings.ToUpper(method))
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodOptions, strings.ReplaceAll(path, "{channel}", "a"), nil))
		got := slices.DeleteFunc(strings.Split(w.Header().Get("Allow"), ", "), func(method string) bool {
			return method == http.MethodHead || method == http.MethodOptions
		})
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the document has %q, the server %q", path, want, got)
		}
	}
}

func (doc document) checkParameters(t *testing.T, name string, operation map[string]any) {
	t.Helper()
	list, _ := operation["parameters"].([]any)
	inPath := 0
	for _, item := range list {
		parameter := doc.resolve(item.(map[string]any))
		for _, field := range []string{"name", "in", "description", "schema"} {
			if parameter[field] == nil {
				t.Errorf("%s: parameter %v has no %s", name, parameter["name"], field)
			}
		}
		if parameter["in"] == "path" {
			inPath++
			if !strings.Contains(name, "{"+parameter["name"].(string)+"}") {
				t.Errorf("%s: {%s} is not in the path", name, parameter["name"])
			}
		}
	}
	if inPath != strings.Count(name, "{") {
		t.Errorf("%s: %d parameters are in the path", name, inPath)
	}
}

// TestOpenAPIHasTheContract compares with docs/protocol.md: the operations, the parameters and the headers it names.
func TestOpenAPIHasTheContract(t *testing.T) {
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := openAPI(t)
	var got []string
	doc.operations(func(name string, _ map[string]any) { got = append(got, name) })
	slices.Sort(got)
	want := make(map[string]bool)
	for _, found := range regexp.MustCompile("`(GET|POST|PUT|DELETE) (/v1/[^`?]*)[^`]*`").FindAllStringSubmatch(string(page), -1) {
		want[found[1]+" "+found[2]] = true
	}
	if want := slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("operations\n got %q\nwant %q", got, want)
	}
	for _, name := range []string{
		"Todoke-Event", "Todoke-Key", "Todoke-TTL", "Todoke-Header-NAME", "Idempotency-Key", "Last-Event-ID", "Prefer", "Preference-Applied",
		"Todoke-Position", "Retry-After", "ETag", "If-None-Match", "Cache-Control", "since", "limit", "wait", "format", "access_token",
	} {
		if !strings.Contains(string(page), name) || !strings.Contains(string(api.OpenAPI), name) {
			t.Errorf("%s is not in both", name)
		}
	}
}

func TestOpenAPICodes(t *testing.T) {
	enum, _ := openAPI(t).at("/components/schemas/Code/enum").([]any)
	var got []string
	for _, code := range enum {
		got = append(got, code.(string))
	}
	if want := codes(t); !slices.Equal(got, want) {
		t.Errorf("enum Code\n got %q\nwant %q", got, want)
	}
}

// TestOpenAPIPatterns tries the regular expressions of names and positions with the vectors of both.
func TestOpenAPIPatterns(t *testing.T) {
	doc := openAPI(t)
	names := golden[struct {
		Channels []string `json:"channels"`
		Patterns []string `json:"patterns"`
		Invalid  []string `json:"invalid"`
	}](t, "names.json")
	channel, pattern := doc.accepts(t, "Channel"), doc.accepts(t, "Pattern")
	for _, name := range names.Channels {
		if !channel(name) || !pattern(name) {
			t.Errorf("the channel %q is refused", name)
		}
	}
	for _, name := range names.Patterns {
		if channel(name) || !pattern(name) {
			t.Errorf("the pattern %q is taken as a channel, or is refused", name)
		}
	}
	for _, name := range names.Invalid {
		if channel(name) || pattern(name) {
			t.Errorf("%q is taken", name)
		}
	}
	positions := loadPositions(t)
	position := doc.accepts(t, "Position")
	for _, v := range positions.Valid {
		if !position(v.Position.String()) {
			t.Errorf("the position %s is refused", v.Position)
		}
	}
	for _, text := range positions.Reserved {
		if !position(text) {
			t.Errorf("the position %s of a log in partitions is refused", text)
		}
	}
	if most := doc.at("/components/schemas/Position/maxLength"); fmt.Sprint(most) != strconv.Itoa(todoke.MaxPositionBytes) {
		t.Errorf("a position has at most %v bytes in the schema, %d in the code", most, todoke.MaxPositionBytes)
	}
	tooGreat := []string{"k3f9-9223372036854775808"} // no regular expression compares numbers
	for _, text := range positions.Invalid {
		if position(text) && !slices.Contains(tooGreat, text) {
			t.Errorf("the position %q is taken", text)
		}
	}
}

// accepts returns a check of a text against the pattern and the lengths of a schema.
func (doc document) accepts(t *testing.T, schema string) func(string) bool {
	t.Helper()
	s := doc.at("/components/schemas/" + schema).(map[string]any)
	pattern, err := regexp.Compile(s["pattern"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) bool { return pattern.MatchString(text) && len(text) <= s["maxLength"].(int) }
}

// TestOpenAPIHasTheVectors: what travels has no field that its schema does not have, and all that the schema requires.
func TestOpenAPIHasTheVectors(t *testing.T) {
	doc := openAPI(t)
	check := func(schema, name, text string) {
		t.Helper()
		var object map[string]json.RawMessage
		unmarshal(t, text, &object)
		s := doc.at("/components/schemas/" + schema).(map[string]any)
		properties := s["properties"].(map[string]any)
		for field := range object {
			if properties[field] == nil {
				t.Errorf("%s: schema %s has no %s", name, schema, field)
			}
		}
		for _, field := range s["required"].([]any) {
			if object[field.(string)] == nil {
				t.Errorf("%s: schema %s requires %s", name, schema, field)
			}
		}
	}
	for _, v := range loadMessages(t) {
		check("Message", v.Name, v.Wire.Object)
	}
	for _, v := range loadGaps(t) {
		check("Gap", v.Name, v.Wire.Object)
		check("GapFrame", v.Name, v.Wire.Frame)
	}
	for _, v := range loadPublished(t) {
		check("Published", v.Name, v.Wire)
	}
	for _, v := range loadNodes(t) {
		check("Nodes", v.Name, v.Wire)
		for _, node := range v.Nodes.Nodes {
			check("Node", v.Name, string(toJSON(t, node)))
		}
	}
	for _, v := range *golden[[]problemVector](t, "problems.json") {
		check("Problem", v.Name, v.HTTP.Body)
	}
	for _, v := range loadPositions(t).Valid {
		check("PositionFrame", v.Wire.Stream, v.Wire.Stream)
	}
	for _, v := range loadReconnects(t) {
		check("ReconnectFrame", v.Name, v.Wire.Frame)
	}
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
