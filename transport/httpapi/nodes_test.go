package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

// Who may see the nodes is the Authorizer's to decide; without one nobody may.
func TestNodesAreGated(t *testing.T) {
	only := func(action todoke.Action) todoke.Authorizer {
		return todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
			if a != (todoke.Access{Action: action}) {
				return todoke.CodeForbidden
			}
			return nil
		})
	}
	for name, tt := range map[string]struct {
		authorizer todoke.Authorizer
		status     int
		body       string
	}{
		"nobody decides":        {nil, 403, "this server has no rule that allows nodes\""},
		"other rights":          {only(todoke.ActionHistory), 403, `"code":"forbidden"`},
		"the right":             {only(todoke.ActionNodes), 200, `"version":"v9"`},
		"everything (as --dev)": {todoke.AllowAll, 200, `"readers":0`},
	} {
		t.Run(name, func(t *testing.T) {
			hub, err := todoke.New(todoke.Options{Authorizer: tt.authorizer, Version: "v9"})
			if err != nil {
				t.Fatal(err)
			}
			defer hub.Close()
			w := httptest.NewRecorder()
			httpapi.New(hub, httpapi.Options{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/nodes", nil))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
