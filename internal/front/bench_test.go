//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"testing"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// faces are a server with a front, on goroutines and at the turn, and one without.
func faces(b *testing.B, handler http.HandlerFunc, run func(b *testing.B, address string)) {
	b.Run("front", func(b *testing.B) {
		_, address := start(b, handler, nil)
		run(b, address)
	})
	b.Run("front/inline", func(b *testing.B) {
		_, address := start(b, handler, func(o *Options) { o.Inline = func(*http.Request) bool { return true } })
		run(b, address)
	})
	b.Run("net/http", func(b *testing.B) { run(b, startPlain(b, handler)) })
}

const benchBody = `{"data":{"text":"a message of the usual size, some hundred bytes with its envelope around it"}}`

func benchHandler(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"position":"a.1"}`)
}

// The client is a socket and a buffer, so what is measured is the server, and the kernel.
func exchange(b *testing.B, conn net.Conn, request, response []byte) {
	if _, err := conn.Write(request); err != nil {
		b.Error(err)
		return
	}
	if _, err := io.ReadFull(conn, response); err != nil {
		b.Error(err)
	}
}

// sizeOf asks once, to learn how long answers are.
func sizeOf(b *testing.B, conn net.Conn, request []byte) int {
	if _, err := conn.Write(request); err != nil {
		b.Fatal(err)
	}
	n, err := bufio.NewReader(conn).Read(make([]byte, 4096))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkPublish(b *testing.B) {
	request := []byte(post("Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nContent-Length: "+strconv.Itoa(len(benchBody))+"\r\n", benchBody))
	faces(b, benchHandler, func(b *testing.B, address string) {
		conn := dial(b, address)
		response := make([]byte, sizeOf(b, conn, request))
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, conn, request, response)
		}
	})
}

// BenchmarkPublishParallel has 64 connections for each processor.
func BenchmarkPublishParallel(b *testing.B) {
	request := []byte(post("Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(benchBody))+"\r\n", benchBody))
	faces(b, benchHandler, func(b *testing.B, address string) {
		size := sizeOf(b, dial(b, address), request)
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			response := make([]byte, size)
			for pb.Next() {
				exchange(b, conn, request, response)
			}
		})
	})
}

// BenchmarkIdle tells what a connection occupies between two requests, with the little that the client's end takes in this process.
func BenchmarkIdle(b *testing.B) {
	request := []byte(post("Content-Length: "+strconv.Itoa(len(benchBody))+"\r\n", benchBody))
	faces(b, benchHandler, func(b *testing.B, address string) {
		const many = 1000
		for b.Loop() {
			conns := make([]net.Conn, many)
			before := inUse()
			for i := range conns {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					b.Fatal(err)
				}
				conns[i] = conn
				sizeOf(b, conn, request)
			}
			b.ReportMetric(float64(inUse()-before)/many, "B/conn")
			for _, conn := range conns {
				conn.Close()
			}
		}
	})
}

func inUse() int64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkOpen opens a connection and a stream whose handler takes the connection over, and lets go of it.
func BenchmarkOpen(b *testing.B) {
	request := []byte(get("Accept: text/event-stream\r\n"))
	handler := func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "id: a.1\n\n")
		_ = control.Flush()
		conn, _, err := control.Hijack()
		if err != nil {
			return // at the turn nobody can
		}
		if own, ok := conn.(*Hijacked); ok {
			fd, _ := own.Detach()
			reactor.Discard(fd)
			return
		}
		conn.Close()
	}
	open := func(b *testing.B, address string) {
		b.ReportAllocs()
		for b.Loop() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := conn.Write(request); err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}
	b.Run("front", func(b *testing.B) {
		_, address := start(b, http.HandlerFunc(handler), nil)
		open(b, address)
	})
	b.Run("net/http", func(b *testing.B) { open(b, startPlain(b, http.HandlerFunc(handler))) })
}
