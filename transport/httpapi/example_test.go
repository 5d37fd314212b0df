package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/poll"
)

// A service that has routes of its own gets everything below /v1/, and sends a channel of its choice from a handler of its own.
func Example() {
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close()
	mux := http.NewServeMux()
	mux.Handle("/v1/", httpapi.New(hub, httpapi.Options{}))
	mux.HandleFunc("/my/feed", func(w http.ResponseWriter, r *http.Request) { poll.Serve(w, r, hub, "news") })
	server := httptest.NewServer(mux)
	defer server.Close()

	res, err := http.Post(server.URL+"/v1/channels/news/messages", "text/plain", strings.NewReader("hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	res, err = http.Get(server.URL + "/my/feed")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	page, _ := io.ReadAll(res.Body)
	fmt.Println(res.Status, strings.Contains(string(page), `"data":"hello"`))
	// Output: 200 OK true
}
