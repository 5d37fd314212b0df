package nats_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/todoke-dev/todoke"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func shut(t testing.TB, e todoke.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// within is a context for calls that must not take long.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// program builds nats-server from the module that is embedded too, once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nats-server")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if child() {
		return
	}
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// servers are NATS servers in processes of their own, on ports that stay.
type servers struct {
	ports   []int
	dirs    []string
	configs []string
	running []*exec.Cmd
	count   int
}

// startServers starts one server, or a cluster. extra goes into each configuration.
func startServers(t testing.TB, n int, extra ...string) *servers {
	t.Helper()
	if _, err := program(); err != nil {
		t.Fatal(err)
	}
	s := &servers{ports: freePorts(t, n), running: make([]*exec.Cmd, n)}
	routes := freePorts(t, n)
	for i := range n {
		dir := t.TempDir()
		store := filepath.Join(dir, "store")
		s.dirs = append(s.dirs, store)
		text := fmt.Sprintf("server_name: s%d\nlisten: 127.0.0.1:%d\nmax_payload: 8MB\njetstream { store_dir: %q }\n%s\n", i, s.ports[i], store, strings.Join(extra, "\n"))
		if n > 1 {
			text += fmt.Sprintf("cluster {\n name: test\n listen: 127.0.0.1:%d\n routes: [", routes[i])
			for _, port := range routes {
				text += fmt.Sprintf(" \"nats://127.0.0.1:%d\",", port)
			}
			text += " ]\n}\n"
		}
		path := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.configs = append(s.configs, path)
	}
	s.start(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

// freePorts finds ports that nobody uses at the moment.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// start starts those that do not run, and waits until they answer.
func (s *servers) start(t testing.TB) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.running {
		if s.running[i] == nil {
			cmd := exec.Command(path, "-c", s.configs[i], "-l", s.configs[i]+".log")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s.running[i] = cmd
		}
	}
	for i := range s.running {
		eventually(t, "a server listens; it logs to "+s.configs[i]+".log", func() bool {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.ports[i]))
			if err != nil {
				return false
			}
			c.Close()
			return true
		})
	}
}

// kill ends all, as kill -9 does.
func (s *servers) kill(t testing.TB) {
	for i := range s.running {
		s.killOne(t, i)
	}
}

func (s *servers) killOne(t testing.TB, i int) {
	t.Helper()
	cmd := s.running[i]
	if cmd == nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	s.running[i] = nil
}

// dir is where a server keeps its files.
func (s *servers) dir(i int) string { return s.dirs[i] }

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (s *servers) url() string {
	var parts []string
	for _, port := range s.ports {
		parts = append(parts, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	return strings.Join(parts, ",")
}

// prefix is a new one; its stream is deleted when the test ends.
func (s *servers) prefix(t testing.TB) string {
	s.count++
	name := fmt.Sprintf("t%d", s.count)
	t.Cleanup(func() {
		js := s.connect(t)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Logf("delete the stream: %v", err)
		}
	})
	return name
}

// connect is a client of its own.
func (s *servers) connect(t testing.TB) jetstream.JetStream {
	t.Helper()
	return s.dial(t, s.url())
}

func (s *servers) dial(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
