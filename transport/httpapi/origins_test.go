package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

const app, evil = "https://app.example.com", "https://evil.example"

func TestCORS(t *testing.T) {
	named, anybody := []string{app + "/"}, []string{"*"}
	for _, test := range []struct {
		name, origin string
		allowed      []string
		want         string // Access-Control-Allow-Origin
		credentials  bool
	}{
		{"nobody is allowed", app, nil, "", false},
		{"named", app, named, app, true},
		{"not named", evil, named, "", false},
		{"named, another port", app + ":8443", named, "", false},
		{"named, another scheme", "http://app.example.com", named, "", false},
		{"a sandboxed page", "null", named, "", false},
		{"anybody", evil, anybody, "*", false},
		{"anybody, and some by name", app, append(anybody, named...), app, true},
		{"no page", "", anybody, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "HTTP/1.1", todoke.Options{}, httpapi.Options{AllowedOrigins: test.allowed})
			for _, path := range []string{"/v1/channels/a/messages", "/v1/channels/a::/messages", "/v1/nothing"} {
				a := w.do("GET", path, "", "Origin", test.origin)
				if got := a.Header.Get("Access-Control-Allow-Origin"); got != test.want {
					t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", path, got, test.want)
				}
				if got := a.Header.Get("Access-Control-Allow-Credentials") == "true"; got != test.credentials {
					t.Errorf("%s: credentials %v", path, got)
				}
				exposed := a.Header.Get("Access-Control-Expose-Headers")
				for _, name := range []string{"Todoke-Position", "Retry-After", "ETag", "Preference-Applied"} {
					if strings.Contains(exposed, name) != (test.want != "") {
						t.Errorf("%s: exposed %q", path, exposed)
					}
				}
				varies := slices.ContainsFunc(a.Header.Values("Vary"), func(v string) bool { return strings.Contains(v, "Origin") })
				if needs := slices.ContainsFunc(test.allowed, func(o string) bool { return o != "*" }); needs && !varies {
					t.Errorf("%s: the answer depends on Origin, and Vary does not say so: %v", path, a.Header.Values("Vary"))
				}
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	everyProtocol(t, todoke.Options{}, httpapi.Options{AllowedOrigins: []string{app}}, func(w world) {
		ask := func(origin string) http.Header {
			a := w.do("OPTIONS", "/v1/channels/a/messages", "", "Origin", origin, "Access-Control-Request-Method", "POST",
				"Access-Control-Request-Headers", "content-type,Todoke-Event, todoke-header-trace,x-other,authorization")
			if a.StatusCode != 204 {
				w.Errorf("%s: %d", origin, a.StatusCode)
			}
			return a.Header
		}
		h := ask(app)
		if h.Get("Access-Control-Allow-Origin") != app || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") ||
			h.Get("Access-Control-Allow-Headers") != "content-type, todoke-event, todoke-header-trace, authorization" || h.Get("Access-Control-Max-Age") == "" {
			w.Errorf("%v", h)
		}
		for name := range ask(evil) {
			if strings.HasPrefix(name, "Access-Control-") {
				w.Errorf("an origin that is not allowed gets %s", name)
			}
		}
	})
}

func TestOtherPeoplesPagesDoNotPublish(t *testing.T) {
	for _, test := range []struct {
		name    string
		allowed []string
		headers []string
		status  int
	}{
		{"no browser", nil, nil, 200},
		{"no browser, with a cookie", nil, []string{"Cookie", "s=1"}, 200},
		{"another origin", nil, []string{"Origin", evil}, 403},
		{"another site, as browsers say", nil, []string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, 403},
		{"the same origin", nil, []string{"Origin", evil, "Sec-Fetch-Site", "same-origin"}, 200},
		{"a named origin", []string{app}, []string{"Origin", app, "Sec-Fetch-Site", "cross-site", "Cookie", "s=1"}, 200},
		{"one that is not", []string{app}, []string{"Origin", evil}, 403},
		{"anybody", []string{"*"}, []string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, 200},
		{"anybody, but not with the visitor's cookies", []string{"*"}, []string{"Origin", evil, "Cookie", "s=1"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "HTTP/1.1", todoke.Options{}, httpapi.Options{AllowedOrigins: test.allowed})
			a := w.do("POST", "/v1/channels/a/messages", "x", test.headers...)
			if a.StatusCode != test.status {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if published := w.hub.Head().Offset == 1; published != (test.status == 200) {
				t.Errorf("published: %v", published)
			}
			if test.status == 403 {
				w.refused(a, 403, todoke.CodeForbidden, "Origin")
			}
			if a := w.do("GET", "/v1/channels/a/messages", "", test.headers...); a.StatusCode != 200 {
				t.Errorf("reading is the browser's to keep from the page: %d", a.StatusCode)
			}
		})
	}
}

func TestPreflightNamesAreBounded(t *testing.T) {
	w := newWorld(t, "HTTP/1.1", todoke.Options{}, httpapi.Options{AllowedOrigins: []string{"*"}})
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("todoke-header-%d", i))
	}
	a := w.do("OPTIONS", "/v1/publish", "", "Origin", evil, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", strings.Join(names, ","))
	if n := strings.Count(a.Header.Get("Access-Control-Allow-Headers"), ","); n > 100 {
		t.Errorf("%d names came back", n)
	}
}
