//go:build unix

package storetest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A Store is a server process that a test may treat badly.
type Store struct {
	// URL is what an engine is given.
	URL string

	t       testing.TB
	address string // where it listens
	path    string
	args    []string
	cmd     *exec.Cmd
	log     bytes.Buffer
}

// Redis starts redis-server with each write synced, and further arguments. Where it is missing the test is left out, in CI it fails.
func Redis(t testing.TB, args ...string) *Store {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is missing: apt-get install redis-server")
		}
		t.Skip("left out: redis-server is missing (apt-get install redis-server)")
	}
	host, port := free(t)
	s := &Store{t: t, URL: "redis://" + net.JoinHostPort(host, port) + "/0", address: net.JoinHostPort(host, port), path: path}
	s.args = append([]string{"--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "always"}, args...)
	return s.begin()
}

// NATS builds nats-server from the module that is embedded too, and starts it with JetStream.
func NATS(t testing.TB) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats-server")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	host, port := free(t)
	s := &Store{t: t, URL: "nats://" + net.JoinHostPort(host, port), address: net.JoinHostPort(host, port), path: path}
	s.args = []string{"-a", host, "-p", port, "-js", "-sd", t.TempDir()}
	return s.begin()
}

func (s *Store) begin() *Store {
	s.t.Helper()
	s.t.Cleanup(s.Kill)
	s.Run()
	return s
}

// Run starts the process, and waits until it listens.
func (s *Store) Run() {
	s.t.Helper()
	s.cmd = exec.Command(s.path, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			s.Kill()
			s.t.Fatalf("%s does not listen: %v\n%s", s.path, err, &s.log)
		}
	}
}

// Kill is kill -9.
func (s *Store) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

// Pause is SIGSTOP: the process is there and says nothing. Resume ends it.
func (s *Store) Pause() { s.signal(syscall.SIGSTOP) }

// Resume is SIGCONT.
func (s *Store) Resume() { s.signal(syscall.SIGCONT) }

func (s *Store) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// free finds a port that nobody uses at the moment.
func free(t testing.TB) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
