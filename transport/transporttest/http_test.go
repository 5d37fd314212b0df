package transporttest_test

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/transporttest"
)

// start serves the HTTP face on goroutine links, over plain HTTP/1.1.
func start(t testing.TB, o todoke.Options) transporttest.Server {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	hub, err := todoke.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpapi.New(hub, httpapi.Options{}))
	t.Cleanup(func() {
		hub.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return transporttest.Server{Hub: hub, URL: server.URL}
}

func TestTransports(t *testing.T) { transporttest.Run(t, start, transporttest.Drivers()) }

func TestResumeMatrix(t *testing.T) { transporttest.RunMatrix(t, start, transporttest.Drivers()) }
