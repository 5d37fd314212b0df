package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/todoke-dev/todoke/internal/load/adapter"
)

// A target is a server that is measured: a command that starts it, or the URL of one that runs.
type target struct {
	name    string
	adapter string
	command []string
	url     string
	token   string
	build   string // a package to build first; its binary takes the place of command[0]
}

// ours are the targets that are measured if nothing else is said. The first is what ratios are to.
func ours() []target {
	return []target{
		{name: "bare", adapter: "todoke-sse", build: "./bench/limit", command: []string{"", "-mode", "bare", "-listen", "127.0.0.1:{port}"}},
		{name: "shared", adapter: "todoke-sse", build: "./bench/limit", command: []string{"", "-mode", "shared", "-listen", "127.0.0.1:{port}"}},
		{name: "todoke", adapter: "todoke-sse", build: "./cmd/todoke", command: []string{"", "serve", "--dev", "--log-level", "warn", "--listen", "127.0.0.1:{port}"}},
		{name: "byhand", adapter: "todoke-sse", build: "./bench/byhand", command: []string{"", "-listen", "127.0.0.1:{port}"}},
	}
}

func parseTarget(text string) (t target, err error) {
	name, what, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.TrimSpace(what) == "" {
		return t, fmt.Errorf("%q: write NAME[@ADAPTER]=COMMAND or URL", text)
	}
	t.name, t.adapter, ok = strings.Cut(name, "@")
	if !ok {
		t.adapter = "todoke-sse"
	}
	if _, err := adapter.Named(t.adapter); err != nil {
		return t, err
	}
	if strings.HasPrefix(what, "http://") {
		t.url = what
		return t, nil
	}
	t.command = strings.Fields(what)
	return t, nil
}

// prepare builds what is to be built into dir.
func (t *target) prepare(ctx context.Context, dir string) error {
	if t.build == "" {
		return nil
	}
	binary := filepath.Join(dir, filepath.Base(t.build))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, t.build)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", t.build, err, out)
	}
	t.command[0] = binary
	return nil
}

// A running is a server that runs.
type running struct {
	url    string
	pid    int
	cmd    *exec.Cmd // nil: it is not ours
	output strings.Builder
	ended  chan error
}

const (
	startTime = 20 * time.Second
	stopTime  = 5 * time.Second
	lookEvery = 10 * time.Millisecond
)

// start starts the server and returns when its port is open.
func (t *target) start(ctx context.Context) (*running, error) {
	if t.url != "" {
		return &running{url: t.url}, nil
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := make([]string, len(t.command))
	for i, arg := range t.command {
		args[i] = strings.ReplaceAll(arg, "{port}", strconv.Itoa(port))
	}
	r := &running{url: fmt.Sprintf("http://127.0.0.1:%d", port), cmd: exec.Command(args[0], args[1:]...), ended: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", t.name, err)
	}
	r.pid = r.cmd.Process.Pid
	go func() { r.ended <- r.cmd.Wait() }() // ends with the process, which stop sees to
	if err := r.await(ctx, port); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", t.name, err), r.stop())
	}
	return r, nil
}

func (r *running) await(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case ended := <-r.ended:
			r.ended <- ended
			return fmt.Errorf("it ended: %v\n%s", ended, r.output.String())
		case <-ctx.Done():
			return fmt.Errorf("it does not listen on port %d: %w", port, ctx.Err())
		}
	}
}

// stop asks the server to end, and after a while ends it.
func (r *running) stop() error {
	if r.cmd == nil {
		return nil
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended
	select {
	case <-r.ended:
		return nil
	case <-time.After(stopTime):
	}
	if err := r.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("ending process %d: %w", r.pid, err)
	}
	<-r.ended
	return nil
}

// freePort finds a port that is free now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
