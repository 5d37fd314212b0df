package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/transporttest"
)

func TestClusterErrorsSayWhatToDo(t *testing.T) {
	peers := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"memory":               {func(c *Config) { c.Engine, c.Data = "memory", "" }, "with --engine nats --data DIR"},
		"servers of one's own": {func(c *Config) { c.Engine, c.Data = "nats://127.0.0.1:1", "" }, "with --engine nats --data DIR"},
		"no place to wait":     {func(c *Config) { c.ClusterListen = "" }, "cluster_listen: say the host:port"},
		"no peers":             {func(c *Config) { c.ClusterPeers = nil }, "cluster_peers: name the host:port of all nodes"},
		"a name alone":         {func(c *Config) { c.ClusterListen, c.ClusterPeers, c.ClusterName = "", nil, "a" }, "cluster_peers: there are none"},
		"two peers":            {func(c *Config) { c.ClusterPeers = peers[:2] }, "2 nodes cannot go on without one of them"},
		"a peer twice":         {func(c *Config) { c.ClusterPeers = append(peers[:2:2], peers[0]) }, "127.0.0.1:1 stands there twice"},
		"a peer without port":  {func(c *Config) { c.ClusterPeers = append(peers[:2:2], "10.0.0.7") }, `cluster_peers: "10.0.0.7" is not host:port`},
		"a port that is none":  {func(c *Config) { c.ClusterPeers = append(peers[:2:2], "a:nats") }, "the port is a number"},
		"a bad listen":         {func(c *Config) { c.ClusterListen = ":6222" }, `cluster_listen: ":6222" is not host:port`},
		"open to the network":  {func(c *Config) { c.ClusterListen = "0.0.0.0:6222" }, "cluster_secret: whoever reaches"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Defaults()
			c.Dev, c.Engine, c.Data, c.ClusterListen, c.ClusterPeers = true, "nats", t.TempDir(), peers[0], peers
			tt.change(&c)
			s, err := New(c)
			if err == nil {
				s.Shutdown()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

func TestClusterSecretIsNotPrinted(t *testing.T) {
	c, err := load(t, "", map[string]string{"TODOKE_CLUSTER_SECRET": "sesame"}, nil)
	if err != nil || c.ClusterSecret != "sesame" {
		t.Fatalf("%q, %v", c.ClusterSecret, err)
	}
	for _, s := range c.Settings() {
		if strings.Contains(s.Value.String(), "sesame") {
			t.Errorf("%s prints as %s", s.Key, s.Value)
		}
	}
}

func TestClusterNames(t *testing.T) {
	for listen, want := range map[string]string{"10.0.0.7:6222": "10.0.0.7-6222", "[fe80::1%eth0]:1": "fe80--1-eth0-1"} {
		if got := clusterName(listen); got != want {
			t.Errorf("%s is named %s, want %s", listen, got, want)
		}
	}
	if got := clusterName("0.0.0.0:6222"); strings.HasPrefix(got, "0.") || !strings.HasSuffix(got, "-6222") {
		t.Errorf("a node that listens everywhere is named %s", got)
	}
}

// Three servers are one log without any other: what is published on one is read on another, and one of them may stop. One that is left
// alone says so.
func TestThreeServersAreOneLog(t *testing.T) {
	var peers []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		peers = append(peers, l.Addr().String())
		l.Close()
	}
	var servers [3]*Server
	var stops [3]func() error
	var starting sync.WaitGroup
	for i := range servers {
		c := Defaults()
		c.Dev, c.Listen, c.Logger = true, "localhost:0", slog.New(slog.DiscardHandler)
		c.Engine, c.Data, c.ClusterListen, c.ClusterPeers = "nats", t.TempDir(), peers[i], peers
		starting.Go(func() { // each waits for a majority
			var err error
			if servers[i], err = New(c); err != nil {
				t.Errorf("server %d: %v", i, err)
			}
		})
	}
	starting.Wait()
	for i, s := range servers {
		if s != nil {
			stops[i] = begun(t, s)
		}
	}
	if t.Failed() {
		return
	}
	var reader transporttest.Reader
	for _, d := range transporttest.Drivers() {
		if d.Name == "sse" {
			r, err := d.Open(t.Context(), servers[1].URL(), []string{"a"}, "now")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			reader = r
		}
	}
	sent := 0
	send := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range n {
			m := todoke.Message{Channel: "a", Data: fmt.Append(nil, sent), IdempotencyKey: fmt.Sprint(sent)}
			waitFor(t, func() bool {
				_, err := servers[0].Hub().Publish(ctx, m)
				return err == nil
			})
			e, err := reader.Next(ctx)
			if err != nil || e.Message == nil || e.Message.Text() != fmt.Sprint(sent) {
				t.Fatalf("%+v, %v instead of %d", e, err, sent)
			}
			sent++
		}
	}
	send(20)
	waitFor(t, func() bool { return len(servers[0].Hub().Nodes()) == 3 })
	if err := stops[2](); err != nil {
		t.Error(err)
	}
	send(20)
	waitFor(t, func() bool { return len(servers[0].Hub().Nodes()) == 2 && servers[0].Hub().Health() == nil })
	reader.Close()
	if err := stops[1](); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool {
		status, _ := get(t, servers[0].URL()+"/readyz", nil)
		return status == http.StatusServiceUnavailable
	})
	if _, err := servers[0].Hub().Publish(t.Context(), todoke.Message{Channel: "a"}); !errors.Is(err, todoke.CodeUnavailable) {
		t.Errorf("one of three takes a message: %v", err)
	}
}
