//go:build unix

package redis_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/redis"
)

// lines are what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) contains(part string) bool { return strings.Contains(l.String(), part) }

func (l *lines) into(o *redis.Options) { o.Logger = slog.New(slog.NewTextHandler(l, nil)) }

// opensNot fails unless Open refuses with an error that says all of parts, and says no password.
func opensNot(t *testing.T, e *redis.Engine, parts ...string) {
	t.Helper()
	err := e.Open(t.Context(), keepAll)
	t.Cleanup(func() { e.Close() })
	if !errors.Is(err, todoke.CodeUnavailable) {
		t.Fatalf("Open: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\ndoes not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("a password is in %v", err)
	}
}

func TestWrongAddress(t *testing.T) {
	opensNot(t, newEngine(t, "redis://127.0.0.1:"+freePort(t)), "Redis at redis://127.0.0.1:", "is it running, and is the address right?")
	opensNot(t, newEngine(t, "unix://"+filepath.Join(t.TempDir(), "none")), "is it running")
}

func TestWrongPassword(t *testing.T) {
	s := start(t, "--requirepass", "open")
	opensNot(t, newEngine(t, "unix://:sesame@"+s.socket()), "the user or the password is wrong")
	opensNot(t, newEngine(t, "unix://"+s.socket()), "asks for a password where the URL has none")
	e := newEngine(t, "unix://:open@"+s.socket())
	if err := e.Open(t.Context(), keepAll); err != nil {
		t.Error(err)
	}
	e.Close()
}

func TestPermissions(t *testing.T) {
	s := start(t)
	s.do("ACL", "SETUSER", "few", "on", ">sesame", "~*", "+@read", "+info", "+ping", "+hello", "+client")
	opensNot(t, newEngine(t, "unix://few:sesame@"+s.socket()), "needs the permissions")
	// What docs/engines.md says is enough.
	s.do("ACL", "SETUSER", "enough", "on", ">sesame", "~{todoke}:*", "&{todoke}:*", "+@read", "+@write", "+@connection", "+time", "+info",
		"+config|get", "+fcall", "+fcall_ro", "+function|load", "+publish", "+subscribe", "+unsubscribe")
	e := openOn(t, "unix://enough:sesame@"+s.socket())
	mustPublish(t, e, 2)
	waitFor(t, "the sweeper has been there", func() bool { return s.try("GET", "{todoke}:seat") == nil })
	if names, _, err := e.Channels(t.Context(), "**", 0); err != nil || len(names) != 1 {
		t.Errorf("Channels: %v, %v", names, err)
	}
	var nodes [2]todoke.Directory
	for i := range nodes {
		d, err := e.NewDirectory(fmt.Sprint("n", i), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		nodes[i] = d
	}
	if err := nodes[0].Set(t.Context(), "k", []byte("v")); err != nil {
		t.Error(err)
	}
	waitFor(t, "one node hears the other", func() bool { return len(nodes[1].Entries()) == 1 })
}

func TestForeignKeys(t *testing.T) {
	s := start(t)
	for _, tt := range []struct {
		name string
		make []string
		says string
	}{
		{"a string for meta", []string{"SET", "{a}:meta", "x"}, "meta is a string"},
		{"a hash without format", []string{"HSET", "{b}:meta", "x", "y"}, "meta has no format"},
		{"another format", []string{"HSET", "{c}:meta", "format", "99"}, "have the format 99"},
		{"a list for the log", []string{"RPUSH", "{d}:log", "x"}, "log is a list"},
		{"a log without meta", []string{"XADD", "{e}:log", "*", "x", "y"}, "log is there, and meta is not"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.do(tt.make...)
			key := tt.make[1]
			before, err := s.ask("DUMP", key)
			if err != nil {
				t.Fatal(err)
			}
			opensNot(t, s.engine(key[1:2]), "redis: the ", tt.says)
			after, err := s.ask("DUMP", key)
			if err != nil || after.String() != before.String() {
				t.Errorf("%s was changed (%v)", key, err)
			}
			keys, err := s.ask("KEYS", "{"+key[1:2]+"}:*")
			if list, err2 := keys.ToArray(); err != nil || err2 != nil || len(list) != 1 {
				t.Errorf("there are %d keys (%v, %v)", len(list), err, err2)
			}
		})
	}
}

func TestTwoClusters(t *testing.T) {
	s := start(t)
	mustPublish(t, openOn(t, s.url("t")+"&cluster=shop"), 1)
	opensNot(t, s.engine("t"), `belongs to the todoke cluster "shop" and this node to "todoke"`, "a prefix of its own")
	mustPublish(t, openOn(t, s.url("u")), 1)
	if at := mustPublish(t, openOn(t, s.url("t")+"&cluster=shop"), 1); at.Offset != 2 {
		t.Errorf("another node of the cluster published %v", at)
	}
}

func TestEviction(t *testing.T) {
	s := start(t, "--maxmemory-policy", "allkeys-lru")
	opensNot(t, s.engine("t"), `maxmemory-policy is "allkeys-lru"`, "set it to noeviction")
}

func TestClusterMode(t *testing.T) {
	s := start(t, "--cluster-enabled", "yes", "--port", freePort(t))
	opensNot(t, s.engine("t"), "Redis Cluster")
}

func TestOldVersion(t *testing.T) {
	opensNot(t, newEngine(t, "unix://"+serverSaying(t, "6.2.14", "")), `version "6.2.14"`, "need Redis 7")
}

// A server that reads its append-only file says aof_enabled:0 meanwhile. Taken for one that keeps nothing it would
// be opened with a new epoch, if it is ready a moment later.
func TestLoading(t *testing.T) {
	opensNot(t, newEngine(t, "unix://"+serverSaying(t, "7.0.15", "loading:1\r\naof_enabled:0\r\n")), "still loading its data")
}

// serverSaying answers what a client asks before it does anything, as Redis of that version does; more goes into INFO.
func serverSaying(t *testing.T, version, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { listener.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { answerAs(c, version, more) })
		}
	})
	return path
}

func answerAs(c net.Conn, version, more string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(words[0]) {
		case "HELLO":
			answer = "%2\r\n+version\r\n+" + version + "\r\n+proto\r\n:3\r\n"
		case "INFO":
			info := "redis_version:" + version + "\r\nredis_mode:standalone\r\nmaxmemory_policy:noeviction\r\n" + more
			answer = "$" + strconv.Itoa(len(info)) + "\r\n" + info + "\r\n"
		case "CONFIG":
			answer = "%0\r\n"
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// readCommand reads an array of strings.
func readCommand(in *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil || len(line) < 3 {
			return 0, errors.Join(err, io.ErrUnexpectedEOF)
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	if err != nil || n < 1 {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	words := make([]string, n)
	for i := range words {
		size, err := number()
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		words[i] = string(text[:size])
	}
	return words, nil
}

func TestOptions(t *testing.T) {
	for url, says := range map[string]string{
		"":                                        "write redis://host:6379",
		"localhost:6379":                          "write redis://host:6379",
		"http://localhost":                        "write redis://host:6379",
		"redis://":                                "no host",
		"unix://relative/path":                    "unix:///run",
		"redis://u:sesame@host:port":              "cannot be read",
		"redis://u:sesame%zz@host":                "cannot be read",
		"redis://:sesame@host/x":                  "database",
		"redis://:sesame@host?prefx=a":            `"prefx" is not known`,
		"redis://:sesame@host?prefix=a{b}":        "prefix",
		"redis://:sesame@host?cluster=a:b":        "cluster",
		"redis://:sesame@host?addr=other:6379":    "master_set",
		"redis://:sesame@host?write_timeout=long": "write timeout",
	} {
		_, err := redis.New(redis.Options{URL: url})
		if err == nil {
			t.Errorf("%q is taken", url)
			continue
		}
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v; want %q, and no password", url, err, says)
		}
	}
}

func TestOpenedOnce(t *testing.T) {
	e := openOn(t, start(t).url("t"))
	if err := e.Open(t.Context(), keepAll); !errors.Is(err, todoke.CodeInternal) {
		t.Errorf("opened twice: %v", err)
	}
	unopened := newEngine(t, "redis://127.0.0.1:1")
	if _, err := unopened.Head(t.Context()); !errors.Is(err, todoke.CodeInternal) {
		t.Errorf("not opened: %v", err)
	}
	if err := unopened.Close(); err != nil {
		t.Error(err)
	}
	if err := unopened.Open(t.Context(), keepAll); !errors.Is(err, todoke.CodeClosed) {
		t.Errorf("opened after Close: %v", err)
	}
}
