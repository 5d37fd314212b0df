package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "todoke")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "todoke")
		args := []string{"build", "-o", binary}
		if raceEnabled {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s\n", out)
			return 1
		}
		return m.Run()
	}())
}

// A process is a todoke that runs.
type process struct {
	*exec.Cmd
	out, err output
	done     chan struct{}
	failed   error // of Wait; after done
}

// An output grows while the process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts todoke; the test's end ends it.
func launch(t *testing.T, env []string, stdin string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	p.Stdin, p.Stdout, p.Stderr = strings.NewReader(stdin), &p.out, &p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.failed = p.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.done
	})
	return p
}

// end waits for the process and returns its exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		t.Fatalf("%v does not end\n%s\n%s", p.Args, &p.out, &p.err)
	}
	return p.ProcessState.ExitCode()
}

// until waits for what the process writes.
func until(t *testing.T, o *output, pattern string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	re := regexp.MustCompile(pattern)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if found := re.FindStringSubmatch(o.String()); found != nil {
			return found
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("never wrote %q:\n%s", pattern, o)
		}
	}
}

// serve starts a server for development and returns its URL.
func serve(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	p := launch(t, nil, "", append([]string{"serve", "--dev", "--listen", "localhost:0"}, args...)...)
	return p, until(t, &p.err, `url=(http://\S+)`)[1]
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
