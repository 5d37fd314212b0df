//go:build unix

package stage

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test's own program is the process: "listen ADDRESS FILE" ends at once while FILE is missing, and makes it.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "listen" {
		os.Exit(listen(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

func listen(addr, file string) int {
	if _, err := os.Stat(file); err != nil {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			fmt.Println(err)
		}
		return 3
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return 4
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return 5
		}
		c.Close()
	}
}

func TestProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	dir, exits := t.TempDir(), make(chan string, 10)
	p := newProcess("one", self, ports[0], dir, func(name, why string) { exits <- name + " " + why },
		"listen", address(ports[0]), filepath.Join(dir, "there"))
	t.Cleanup(func() { p.Kill() })

	if err := p.Start(t.Context()); !errors.Is(err, errEnded) {
		t.Fatalf("a process that ends at once: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "there")); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatalf("a process that stays the second time: %v", err)
	}
	if err := errors.Join(p.Pause(), p.Kill(), p.Kill()); err != nil {
		t.Errorf("killed while it is stopped: %v", err)
	}
	if err := p.Pause(); err == nil {
		t.Error("a process that does not run was stopped")
	}
	if len(exits) > 0 {
		t.Errorf("our own kills, and ends at the start, are told as ends by themselves: %s", <-exits)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case why := <-exits:
		if !strings.HasPrefix(why, "one ") || !strings.Contains(why, "terminated") {
			t.Errorf("it ended, and we are told %q", why)
		}
	case <-time.After(20 * time.Second):
		t.Error("it ended by itself, and we are not told")
	}
}

func TestUnknownEngine(t *testing.T) {
	s, err := New(t.Context(), Options{Engine: "mysql", Dir: t.TempDir()})
	if err == nil {
		t.Error("a stage on mysql")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
