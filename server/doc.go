// Package server makes one process of todoke: a Config, the hub behind its gate, the routes, and a life with named steps.
//
//	config, err := server.Load(server.Sources{Flags: map[string]string{"dev": "true"}})
//	s, err := server.New(config)
//	err = s.Run(ctx) // until ctx ends, and then gracefully
//
// # What is promised
//
//   - Closed unless told otherwise. Without credentials the server does not start, except in development mode: then it
//     listens on this machine only, answers only to names of this machine (a web page cannot reach it by DNS
//     rebinding), and refuses writes from pages of other origins that were not allowed.
//   - A graceful stop. Run's ctx ends: /readyz fails, streams get what there is and are told when to come again, spread over
//     Config.StopSpread; publishes under way finish; the log closes. All that takes Config.StopTimeout at most, and then
//     the rest is cut.
//   - Bounds. Headers are bounded in time and size, bodies in time; what an address may hold is the transports' promise.
//
// http.Server.Shutdown leaves hijacked connections alone. Ours counts handlers instead, so WebSockets are waited for like
// everything else.
//
// This room knows all others and nobody imports it but cmd/todoke. A program that embeds todoke takes transport/httpapi.
package server
