// Embed shows todoke inside of an existing Go service, with the router it has: net/http, chi, gin or echo.
//
//	go run . -router chi
//	curl -N localhost:8080/news
//	curl -d hello localhost:8080/tell
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
)

// routers are the same service, four times: everything of todoke below /v1/, one channel at /news over SSE, and a
// handler at /tell that publishes in process.
var routers = map[string]func(*todoke.Hub) http.Handler{
	"nethttp": netHTTP, "chi": chiRouter, "gin": ginRouter, "echo": echoRouter,
}

func main() {
	listen := flag.String("listen", "localhost:8080", "address")
	router := flag.String("router", "nethttp", "nethttp, chi, gin or echo")
	flag.Parse()
	build := routers[*router]
	if build == nil {
		log.Fatalf("no router %q: choose nethttp, chi, gin or echo", *router)
	}
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll}) // your rules go here
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	server := &http.Server{Addr: *listen, Handler: build(hub), ReadHeaderTimeout: 10 * time.Second}
	log.Printf("%s on http://%s", *router, *listen)
	log.Fatal(server.ListenAndServe())
}

// tell publishes what the request says to everybody who reads news.
func tell(hub *todoke.Hub, w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
	if err == nil {
		_, err = hub.Publish(r.Context(), todoke.Message{Channel: "news", Data: text})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
