package sse

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
)

// idleServer is set in the environment of a child of the benchmark, which serves streams of that kind.
const idleServer = "TODOKE_TEST_IDLE_SERVER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(idleServer); kind != "" {
		serveIdle(kind)
		return
	}
	os.Exit(m.Run())
}

func serveIdle(kind string) {
	hub, err := todoke.New(todoke.Options{Authorizer: todoke.AllowAll})
	if err != nil {
		panic(err)
	}
	o := Options{}
	if kind != "goroutine" {
		if o.Pool, err = evented.NewPool(hub, evented.Options{}); err != nil {
			panic(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/memory", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory()
		status, _ := os.ReadFile("/proc/self/status")
		w.Write(status)
	})
	mux.Handle("/", handler(NewHandler(hub, o)))
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnContext = evented.ConnContext
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	if kind == "tls" {
		server.StartTLS()
	} else {
		server.Start()
	}
	fmt.Println(server.URL)
	io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

// BenchmarkIdleStream tells what an idle stream costs the server, a process of its own, in resident bytes.
func BenchmarkIdleStream(b *testing.B) {
	const streams = 2000
	for _, kind := range []string{"evented", "goroutine", "tls", "h2c"} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				child := exec.Command(os.Args[0])
				child.Env = append(os.Environ(), idleServer+"="+kind)
				stdin, _ := child.StdinPipe()
				stdout, _ := child.StdoutPipe()
				if err := child.Start(); err != nil {
					b.Fatal(err)
				}
				line, _ := bufio.NewReader(stdout).ReadString('\n')
				b.ReportMetric(measureIdle(b, kind, strings.TrimSpace(line), streams), "B/stream")
				stdin.Close()
				child.Wait()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func measureIdle(b *testing.B, kind, url string, streams int) float64 {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(kind != "h2c")
	transport.Protocols.SetUnencryptedHTTP2(kind == "h2c")
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	openIdle(ctx, b, client, url, 50) // what the first ones need is not each one's
	before := resident(b, client, url)
	openIdle(ctx, b, client, url, streams)
	return float64(resident(b, client, url)-before) / float64(streams)
}

func openIdle(ctx context.Context, b *testing.B, client *http.Client, url string, streams int) {
	var opening sync.WaitGroup
	turns := make(chan struct{}, 32)
	for range streams {
		turns <- struct{}{}
		opening.Go(func() {
			defer func() { <-turns }()
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/?channel=a", nil)
			r.Header.Set("Accept", "text/event-stream")
			answer, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			io.ReadFull(answer.Body, make([]byte, 16)) // the opening has come; ctx ends the stream
		})
	}
	opening.Wait()
}

func resident(b *testing.B, client *http.Client, url string) int {
	answer, err := client.Get(url + "/memory")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	status, _ := io.ReadAll(answer.Body)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kilobytes << 10
}
