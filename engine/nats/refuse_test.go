package nats_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

var roomy = todoke.Retention{Messages: 1000, Bytes: -1, Age: -1}

func keep(string) *todoke.Retention { return &roomy }

// opened is an engine that opens, and is closed when the test ends.
func opened(t testing.TB, o nats.Options) *nats.Engine {
	t.Helper()
	o.Logger = quiet()
	e := nats.New(o)
	t.Cleanup(func() { shut(t, e) })
	if err := e.Open(within(t), keep); err != nil {
		t.Fatal(err)
	}
	return e
}

// refuses fails unless Open fails with all of want in its text, soon.
func refuses(t *testing.T, o nats.Options, want ...string) {
	t.Helper()
	o.Logger = quiet()
	e := nats.New(o)
	err := e.Open(within(t), keep)
	if err == nil {
		t.Errorf("it opens; want an error with %q", want)
	} else {
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v\ndoes not say %q", err, part)
			}
		}
	}
	shut(t, e)
}

// put publishes a text and returns its position.
func put(t testing.TB, e todoke.Engine, channel, data string) todoke.Position {
	t.Helper()
	results := make([]todoke.Result, 1)
	m := &todoke.Message{Channel: channel, Data: []byte(data), Type: todoke.TypeText}
	if err := e.Publish(within(t), []*todoke.Message{m}, results); err != nil {
		t.Fatal(err)
	}
	return results[0].Position
}

func TestOptionsThatCannotBe(t *testing.T) {
	cluster := nats.Cluster{Name: "a", Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}}
	nameless, nowhere := cluster, cluster
	nameless.Name, nowhere.Listen = "", "localhost"
	for want, o := range map[string]nats.Options{
		"neither an address nor a directory":   {},
		"both an address and a directory":      {URL: "nats://a", Dir: "x"},
		`prefix "a.b"`:                         {Dir: "x", Prefix: "a.b"},
		"it is 1, 3 or 5":                      {Dir: "x", Replicas: 2},
		"3 replicas need the peers":            {Dir: "x", Replicas: 3},
		"the shortest is 100ms":                {Dir: "x", IdempotencyWindow: time.Millisecond},
		"NATS takes at most":                   {Dir: "x", MaxPayload: 1 << 30},
		"is negative":                          {Dir: "x", MaxBytes: -1},
		"the cluster has no peers":             {Dir: "x", Cluster: nats.Cluster{Name: "a"}},
		"needs a name":                         {Dir: "x", Cluster: nameless},
		`address "localhost" is not host:port`: {Dir: "x", Cluster: nowhere},
		"5 replicas and 3 peers":               {Dir: "x", Cluster: cluster, Replicas: 5},
	} {
		refuses(t, o, want)
	}
}

// inProcess runs a NATS server here and returns its address.
func inProcess(t *testing.T, o natsserver.Options) string {
	t.Helper()
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", -1, true, true
	s, err := natsserver.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

func TestServersThatCannotBeUsed(t *testing.T) {
	refuses(t, nats.Options{URL: "nats://user:secret@127.0.0.1:1"}, "no NATS server answers at nats://127.0.0.1:1", "check the address")
	closed := inProcess(t, natsserver.Options{JetStream: true, StoreDir: t.TempDir(), Username: "u", Password: "p"})
	refuses(t, nats.Options{URL: closed}, "refuses the credentials", "check user and password")
	refuses(t, nats.Options{URL: strings.Replace(closed, "//", "//u:wrong@", 1)}, "refuses the credentials")
	opened(t, nats.Options{URL: strings.Replace(closed, "//", "//u:p@", 1)})
	refuses(t, nats.Options{URL: inProcess(t, natsserver.Options{})}, "has no JetStream", "-js")
	alone := inProcess(t, natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	refuses(t, nats.Options{URL: alone, Replicas: 3}, "replicas")
}

// Streams of others are refused, and stay as they are.
func TestStreamsThatCannotBeUsed(t *testing.T) {
	url := inProcess(t, natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	js := dialJetStream(t, url)
	own := nats.Options{URL: url, Prefix: "log"}
	e := opened(t, own)
	put(t, e, "a", "kept")
	stream, err := js.Stream(within(t), "log")
	if err != nil {
		t.Fatal(err)
	}
	made := stream.CachedInfo().Config

	change := func(name string, f func(*jetstream.StreamConfig)) jetstream.StreamConfig {
		c := made
		c.Name, c.Subjects, c.Metadata = name, []string{name + ".c.>", name + ".epoch"}, map[string]string{}
		for k, v := range made.Metadata {
			c.Metadata[k] = v
		}
		f(&c)
		return c
	}
	for want, c := range map[string]jetstream.StreamConfig{
		"was not made by todoke":                                   change("s1", func(c *jetstream.StreamConfig) { c.Metadata = nil }),
		"made by a newer todoke":                                   change("s2", func(c *jetstream.StreamConfig) { c.Metadata["todoke.format"] = "2" }),
		`belongs to the todoke system "other", and this is "main"`: change("s3", func(c *jetstream.StreamConfig) { c.Metadata["todoke.system"] = "other" }),
		"remembers idempotency keys for 1m0s":                      change("s4", func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }),
		"has a limit of 1000000 bytes":                             change("s5", func(c *jetstream.StreamConfig) { c.MaxBytes = 1_000_000 }),
		"was changed by somebody else":                             change("s6", func(c *jetstream.StreamConfig) { c.Subjects = c.Subjects[:1] }),
		"was changed by somebody else ":                            change("s7", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }),
		"was changed by somebody else a":                           change("s8", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }),
		"another stream has the subjects":                          change("other", func(c *jetstream.StreamConfig) { c.Subjects = []string{"s9.c.x"} }),
	} {
		s, err := js.CreateStream(within(t), c)
		if err != nil {
			t.Fatal(err)
		}
		prefix := c.Name
		if prefix == "other" {
			prefix = "s9"
		}
		refuses(t, nats.Options{URL: url, Prefix: prefix}, strings.TrimRight(want, " a"))
		info, err := s.Info(within(t))
		if err != nil || !reflect.DeepEqual(info.Config.Metadata, s.CachedInfo().Config.Metadata) || info.State.Msgs != 0 {
			t.Errorf("%s: the stream was touched: %+v, %v", c.Name, info, err)
		}
	}
	refuses(t, nats.Options{URL: url, Prefix: "log", System: "second"}, `belongs to the todoke system "main", and this is "second"`, "choose another prefix")
	if p, err := e.Read(within(t), todoke.Range{Channel: "a", UpTo: todoke.MaxOffset, Limit: 10}); err != nil || len(p.Messages) != 1 {
		t.Errorf("after all that: %+v, %v", p, err)
	}
}

func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	t.Run("in use", func(t *testing.T) {
		dir := t.TempDir()
		e := opened(t, nats.Options{Dir: dir})
		refuses(t, nats.Options{Dir: dir}, dir, "another process uses it", "a directory of its own")
		put(t, e, "a", "x")
	})
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		write(t, path, "x")
		refuses(t, nats.Options{Dir: path}, "the data directory")
	})
	t.Run("of others", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "precious.txt"), "x")
		refuses(t, nats.Options{Dir: dir}, "was not made by todoke", "precious.txt")
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 2 {
			t.Errorf("files were made there: %v, %v", entries, err)
		}
	})
	for name, tt := range map[string]struct {
		change func(note map[string]any)
		o      nats.Options
		want   []string
	}{
		"newer":        {func(n map[string]any) { n["format"] = 2 }, nats.Options{}, []string{"made by a newer todoke"}},
		"no format":    {func(n map[string]any) { delete(n, "format") }, nats.Options{}, []string{"is damaged"}},
		"other prefix": {func(map[string]any) {}, nats.Options{Prefix: "b"}, []string{`holds the log "todoke", and this is "b"`}},
		"other server": {func(n map[string]any) { n["server"] = "n7" }, nats.Options{}, []string{`belongs to the server "n7"`}},
		"ends early":   {func(n map[string]any) { n["head"] = 1000 }, nats.Options{}, []string{"are damaged: the log ends at", "backup"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := used(t)
			change(t, dir, tt.change)
			tt.o.Dir = dir
			before := files(t, dir)
			refuses(t, tt.o, tt.want...)
			if name != "ends early" && !reflect.DeepEqual(files(t, dir), before) {
				t.Error("files were changed")
			}
		})
	}
	t.Run("note garbled", func(t *testing.T) {
		dir := used(t)
		write(t, filepath.Join(dir, "todoke.json"), "{")
		refuses(t, nats.Options{Dir: dir}, "is damaged: todoke.json")
	})
	t.Run("stream garbled", func(t *testing.T) {
		dir := used(t)
		meta := find(t, dir, "meta.inf")
		write(t, meta, "garbage")
		refuses(t, nats.Options{Dir: dir, StartTimeout: 5 * time.Second}, "are damaged", "cannot read it", "checksums do not match", "backup")
		if text, err := os.ReadFile(meta); err != nil || string(text) != "garbage" {
			t.Errorf("it was overwritten: %q, %v", text, err)
		}
	})
	t.Run("messages cut off", func(t *testing.T) {
		dir := used(t)
		block := find(t, dir, "1.blk")
		if err := os.Truncate(block, 100); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(filepath.Dir(block), "index.db"))
		refuses(t, nats.Options{Dir: dir}, "are damaged: the log ends at")
	})
}

// used is a directory with a log of some messages, closed in order.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	e := opened(t, nats.Options{Dir: dir})
	for range 5 {
		put(t, e, "a", "x")
	}
	shut(t, e)
	return dir
}

// change edits the note of a directory.
func change(t *testing.T, dir string, f func(note map[string]any)) {
	t.Helper()
	path := filepath.Join(dir, "todoke.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	note := map[string]any{}
	if err := json.Unmarshal(text, &note); err != nil {
		t.Fatal(err)
	}
	f(note)
	if text, err = json.Marshal(note); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files are the contents below a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// find returns the one file of a name that belongs to the stream.
func find(t *testing.T, dir, name string) string {
	t.Helper()
	for path := range files(t, dir) {
		if filepath.Base(path) == name && strings.Contains(path, "streams") && !strings.Contains(path, "obs") {
			return path
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

func dialJetStream(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	return (&servers{}).dial(t, url)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	ports := freePorts(t, 2)
	e := nats.New(nats.Options{Dir: dir, Logger: quiet(), Replicas: 1, Cluster: nats.Cluster{
		Name: "a", Listen: address(ports[0]), Peers: []string{address(ports[0]), address(ports[1])}}})
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := e.Open(ctx, keep); err == nil || !strings.Contains(err.Error(), "context deadline exceeded") {
		t.Errorf("alone of two: %v", err)
	}
	shut(t, e)
}
