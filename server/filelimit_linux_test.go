package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fewFiles is the limit of the server in the tests below.
const fewFiles = 64

// TestMain runs, as a child of TestFileLimit, a server that may open few files.
func TestMain(m *testing.M) {
	if links := os.Getenv("TODOKE_TEST_FEW_FILES"); links != "" {
		if err := serveWithFewFiles(links); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveWithFewFiles serves until its standard input ends.
func serveWithFewFiles(links string) error {
	limit := syscall.Rlimit{Cur: fewFiles, Max: fewFiles}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	c := Defaults()
	c.Dev, c.Listen, c.Links = true, "127.0.0.1:0", links
	c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := New(c)
	if err != nil {
		return err
	}
	if err := s.Listen(); err != nil {
		return err
	}
	fmt.Println(strings.TrimPrefix(s.URL(), "http://"))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return s.Run(ctx)
}

// A child is a server in a process of its own.
type child struct {
	address string
	pid     int
	log     lockedBuffer
}

func startChild(t *testing.T, links string) *child {
	t.Helper()
	c := new(child)
	command := exec.Command(os.Args[0], "-test.run=^$")
	command.Env = append(os.Environ(), "TODOKE_TEST_FEW_FILES="+links)
	command.Stderr = &c.log
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c.pid = command.Process.Pid
	line, _ := bufio.NewReader(out).ReadString('\n')
	c.address = strings.TrimSpace(line)
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("the server ended with %v; its log: %s", err, c.log.String())
		}
	})
	return c
}

// files is how many the child has open.
func (c *child) files(t *testing.T) int {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(c.pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// ask opens a connection and asks something on it; the connection is kept.
func (c *child) ask() (net.Conn, error) {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(conn, "POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
	if err == nil {
		_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// At the limit of open files, connections are refused at once and the log says so; when there is room again, the first that comes is served.
func TestFileLimit(t *testing.T) {
	for _, links := range []string{LinksEvented, LinksGoroutine} {
		t.Run(links, func(t *testing.T) {
			c := startChild(t, links)
			for range 3 {
				var conns []net.Conn
				var err error
				for len(conns) <= fewFiles && err == nil {
					var conn net.Conn
					if conn, err = c.ask(); err == nil {
						conns = append(conns, conn)
					}
				}
				if !isReset(err) || len(conns) < fewFiles/4 {
					t.Fatalf("after %d connections: %v; the log: %s", len(conns), err, c.log.String())
				}
				for range 5 {
					if conn, err := c.ask(); !isReset(err) {
						t.Fatalf("another is not refused: %v, %v", conn, err)
					}
				}
				if !strings.Contains(c.log.String(), "connections are refused") || !strings.Contains(c.log.String(), "limit=64") {
					t.Errorf("the log does not say it: %s", c.log.String())
				}
				for _, conn := range conns[:10] {
					conn.Close()
				}
				waitFor(t, func() bool { return c.files(t) <= fewFiles-5 })
				for range 5 {
					conn, err := c.ask()
					if err != nil {
						t.Fatalf("refused although there is room: %v", err)
					}
					conn.Close()
				}
				for _, conn := range conns[10:] {
					conn.Close()
				}
				waitFor(t, func() bool { return c.files(t) <= fewFiles-len(conns)+5 })
			}
		})
	}
}

// isReset: a client that is still writing may see a broken pipe instead.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
