//go:build unix

package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/redis"
)

// A server is a redis-server of a test's own: on a socket in a directory of its own, ended with the test.
type server struct {
	t    testing.TB
	path string // of the program
	dir  string
	args []string
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

var serverCount atomic.Int64

// start runs redis-server with further lines of configuration, as arguments: --appendonly yes.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is missing: apt-get install redis-server")
		}
		t.Skip("left out: redis-server is missing (apt-get install redis-server)")
	}
	// Not t.TempDir: the path of a socket has at most 108 bytes.
	dir, err := os.MkdirTemp("", "todoke-redis")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, path: path, dir: dir, args: args}
	t.Cleanup(func() {
		s.kill()
		os.RemoveAll(dir)
	})
	s.run()
	return s
}

func (s *server) socket() string { return filepath.Join(s.dir, "s") }

// run starts the process and waits until it answers.
func (s *server) run() {
	s.t.Helper()
	args := append([]string{"--port", "0", "--unixsocket", s.socket(), "--dir", s.dir, "--save", "", "--daemonize", "no", "--hz", "100", "--auto-aof-rewrite-percentage", "0",
		"--repl-diskless-sync-delay", "0"}, s.args...)
	s.log = &bytes.Buffer{}
	s.cmd = exec.Command(s.path, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(strings.Join(s.args, " "), "requirepass") {
		waitFor(s.t, "redis-server answers", func() bool { return s.try("PING") == nil })
		return
	}
	waitFor(s.t, "redis-server listens", func() bool {
		c, err := net.Dial("unix", s.socket())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill is kill -9.
func (s *server) kill() { s.end(syscall.SIGKILL) }

// stop lets the server write what it has to.
func (s *server) stop() { s.end(syscall.SIGTERM) }

func (s *server) end(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait()
	s.cmd = nil
	os.Remove(s.socket())
}

// pause is SIGSTOP: the server is there and says nothing.
func (s *server) pause() {
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Error(err)
	}
}

func (s *server) resume() {
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Error(err)
	}
}

// try gives the server one command, over a connection of its own.
func (s *server) try(words ...string) error {
	_, err := s.ask(words...)
	return err
}

func (s *server) ask(words ...string) (rueidis.RedisMessage, error) {
	option, err := rueidis.ParseURL("unix://" + s.socket())
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	option.ForceSingleClient, option.DisableCache, option.DisableRetry = true, true, true
	client, err := rueidis.NewClient(option)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return client.Do(ctx, client.B().Arbitrary(words...).Build()).ToMessage()
}

// do is try, and the test ends when it fails.
func (s *server) do(words ...string) {
	s.t.Helper()
	if err := s.try(words...); err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, s.log)
	}
}

// says returns a line of INFO.
func (s *server) says(name string) string {
	m, err := s.ask("INFO")
	if err != nil {
		return err.Error()
	}
	text, err := m.ToString()
	if err != nil {
		return err.Error()
	}
	_, rest, _ := strings.Cut(text, name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// follow makes the server a replica of another.
func (s *server) follow(primary *server) {
	s.t.Helper()
	// Replication needs a port. The primary takes a free one.
	port := primary.listen()
	s.do("REPLICAOF", "127.0.0.1", port)
	waitFor(s.t, "the replica is in step", func() bool { return s.says("master_link_status") == "up" })
}

// listen opens a free port on loopback, and returns it.
func (s *server) listen() string {
	s.t.Helper()
	if port := s.says("tcp_port"); port != "0" {
		return port
	}
	port := freePort(s.t)
	s.do("CONFIG", "SET", "port", port)
	return port
}

func (s *server) url(prefix string) string { return "unix://" + s.socket() + "?prefix=" + prefix }

// engine makes an engine on a prefix, not opened.
func (s *server) engine(prefix string, change ...func(*redis.Options)) *redis.Engine {
	s.t.Helper()
	return newEngine(s.t, s.url(prefix), change...)
}

func newEngine(t testing.TB, url string, change ...func(*redis.Options)) *redis.Engine {
	t.Helper()
	o := redis.Options{URL: url, Logger: quiet()}
	for _, c := range change {
		c(&o)
	}
	e, err := redis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// prefix returns a name that no other test has.
func prefix() string { return fmt.Sprintf("t%d", serverCount.Add(1)) }

// waitFor waits until cond holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// keepAll is the retention of tests about something else.
func keepAll(string) *todoke.Retention { return &roomy }

var roomy = todoke.Retention{Messages: 1 << 20, Bytes: -1, Age: -1}
