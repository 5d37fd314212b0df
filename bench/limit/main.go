// Limit is what no server can do better than: it takes publishes and does nothing but write(2) to each reader's socket, on
// one thread, with none of todoke's guarantees. Beside it a server's figures become shares of what the machine allows.
//
//	go run ./bench/limit -mode bare   -listen 127.0.0.1:7081   # one write for each delivery
//	go run ./bench/limit -mode shared -listen 127.0.0.1:7082   # all that was published meanwhile in one write
//
// It speaks the part of todoke's wire that `todoke bench --adapter todoke-sse` needs: GET /v1/channels/NAME/messages opens a
// stream of Server-Sent Events in chunks, POST to the same path publishes. Nothing is kept and nothing is checked; it
// listens on loopback only. Linux only.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	mode := flag.String("mode", "bare", "bare: a write for each delivery; shared: the same in one write for each reader")
	listen := flag.String("listen", "127.0.0.1:7081", "the address, of this machine; port 0 takes a free one")
	flag.Parse()
	if *mode != "bare" && *mode != "shared" {
		fmt.Fprintf(os.Stderr, "limit: -mode %q: it is bare or shared\n", *mode)
		os.Exit(2)
	}
	err := serve(*listen, *mode == "shared", func(url string) { fmt.Println(url) }) // until something fails
	fmt.Fprintln(os.Stderr, "limit:", err)
	os.Exit(1)
}
