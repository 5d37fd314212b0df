package transporttest_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/evented"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/transporttest"
)

// start serves the HTTP face on goroutine links, over plain HTTP/1.1.
func start(t testing.TB, o todoke.Options) transporttest.Server {
	t.Helper()
	return serve(t, newHub(t, o), nil)
}

// startEvented serves it with streams that leave net/http.
func startEvented(t testing.TB, o todoke.Options) transporttest.Server {
	t.Helper()
	return startPool(t, o, 2) // so that a channel's readers are on both
}

func startPool(t testing.TB, o todoke.Options, workers int) transporttest.Server {
	t.Helper()
	hub := newHub(t, o)
	pool, err := evented.NewPool(hub, evented.Options{Workers: workers})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("there is no reactor for this system: every link is a goroutine")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return serve(t, hub, pool)
}

func newHub(t testing.TB, o todoke.Options) *todoke.Hub {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	hub, err := todoke.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

func serve(t testing.TB, hub *todoke.Hub, pool *evented.Pool) transporttest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(httpapi.New(hub, httpapi.Options{Pool: pool}))
	server.Config.ConnContext = evented.ConnContext
	server.Start()
	t.Cleanup(func() {
		hub.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return transporttest.Server{Hub: hub, URL: server.URL}
}

func TestTransports(t *testing.T) { transporttest.Run(t, start, transporttest.Drivers()) }

func TestResumeMatrix(t *testing.T) { transporttest.RunMatrix(t, start, transporttest.Drivers()) }

func TestEventedTransports(t *testing.T) {
	transporttest.Run(t, startEvented, transporttest.Drivers())
}

func TestEventedResumeMatrix(t *testing.T) {
	transporttest.RunMatrix(t, startEvented, transporttest.Drivers())
}
