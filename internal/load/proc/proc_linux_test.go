package proc

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	user, system, err := parseStat([]byte("42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 1 0 100 1000 10 18446744073709551615"))
	if err != nil || user != 1230*time.Millisecond || system != 450*time.Millisecond {
		t.Errorf("%v, %v, %v", user, system, err)
	}
	if _, _, err := parseStat([]byte("42 (a) S 1")); err == nil {
		t.Error("a short line is taken")
	}
}

func TestParseStatus(t *testing.T) {
	rss, anon := parseStatus([]byte("Name:\tx\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\nThreads:\t3\n"))
	if rss != 1<<20 || anon != 1<<19 {
		t.Errorf("%d, %d", rss, anon)
	}
}

// The process that is found by its port is this one, and it has used something.
func TestListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if pid, err := Listener(port); err != nil || pid != os.Getpid() {
		t.Errorf("process %d, %v; want %d", pid, err, os.Getpid())
	}
	u, err := Read(os.Getpid())
	if err != nil || u.RSS == 0 || u.Anon == 0 {
		t.Errorf("%+v, %v", u, err)
	}
	l.Close()
	if _, err := Listener(port); !errors.Is(err, ErrNotFound) {
		t.Errorf("a closed port: %v", err)
	}
}
