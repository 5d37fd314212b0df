// Byhand is the realtime server that one writes by hand in an afternoon: net/http, Server-Sent Events, a Go channel for each
// client and a map of them behind a mutex. It is what todoke is compared with; nothing is kept, and a client whose channel is full
// misses messages.
//
//	go run ./bench/byhand -listen 127.0.0.1:7083
//
// It has the paths of todoke that `todoke bench --adapter todoke-sse` needs.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:7083", "the address; port 0 takes a free one")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err == nil {
		fmt.Printf("http://%s\n", listener.Addr())
		err = http.Serve(listener, newServer())
	}
	fmt.Fprintln(os.Stderr, "byhand:", err)
	os.Exit(1)
}

// waiting is how many messages a client may be behind.
const waiting = 256

// A server has the clients of each channel.
type server struct {
	mu      sync.Mutex
	clients map[string]map[chan []byte]struct{}
	number  int
}

func newServer() http.Handler {
	s := &server{clients: map[string]map[chan []byte]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/channels/{channel}/messages", s.stream)
	mux.HandleFunc("POST /v1/channels/{channel}/messages", s.publish)
	return mux
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	name, client := r.PathValue("channel"), make(chan []byte, waiting)
	s.join(name, client)
	defer s.leave(name, client)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	for {
		select {
		case event := <-client:
			if _, err := w.Write(event); err != nil {
				return
			}
			if out.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) join(name string, client chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[name] == nil {
		s.clients[name] = map[chan []byte]struct{}{}
	}
	s.clients[name][client] = struct{}{}
}

func (s *server) leave(name string, client chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients[name], client)
	if len(s.clients[name]) == 0 {
		delete(s.clients, name)
	}
}

func (s *server) publish(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.send(r.PathValue("channel"), data)
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, "{}")
}

// send gives the event to all clients in one order; who has no room does not get it.
func (s *server) send(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	event := fmt.Appendf(nil, "id: %d\ndata: %s\n\n", s.number, data)
	for client := range s.clients[name] {
		select {
		case client <- event:
		default:
		}
	}
}
