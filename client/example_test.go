package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
	"github.com/todoke-dev/todoke/transport/httpapi"
)

// A stream goes on by itself after cuts. Its position, kept somewhere, lets another one go on where it was.
func Example() {
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	server := httptest.NewServer(httpapi.New(hub, httpapi.Options{}))
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		if _, err := c.Publish(ctx, todoke.Message{Channel: "news", Data: []byte(text)}); err != nil {
			log.Fatal(err)
		}
	}

	stream, err := c.Subscribe(ctx, client.SubscribeOptions{Channels: []string{"news"}, Since: todoke.Earliest()})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Message != nil {
			fmt.Println("events:", event.Message.Text())
			break
		}
	}
	position := stream.Position()
	stream.Close()

	// Later, and over another transport:
	stream, err = c.Subscribe(ctx, client.SubscribeOptions{
		Channels: []string{"news"}, Since: todoke.After(position), Transport: client.TransportWebSocket,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for range 2 {
		event, err := stream.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("WebSocket:", event.Message.Text())
	}
	// Output:
	// events: one
	// WebSocket: two
	// WebSocket: three
}
