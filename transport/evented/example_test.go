package evented_test

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

// A server of one's own whose streams leave net/http, and its stop: readers are sent elsewhere, and what does not go is cut.
func Example() {
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		log.Fatal(err)
	}
	pool, err := evented.NewPool(hub, evented.Options{})
	if err != nil {
		log.Fatal(err) // errors.ErrUnsupported where there is no reactor: then go without
	}
	server := &http.Server{
		Handler:     httpapi.New(hub, httpapi.Options{Pool: pool}),
		ConnContext: evented.ConnContext,
	}
	// … go server.Serve(listener), and then, to stop:
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	hub.Drain(5 * time.Second)
	server.Shutdown(ctx)
	pool.Wait(ctx)
	pool.Close()
	hub.Close()
}
