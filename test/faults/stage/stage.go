//go:build unix

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/todoke-dev/todoke/test/faults/proxy"
)

// Engines are the engines there are, as -engine names them.
var Engines = []string{"memory", "nats", "nats-server", "redis"}

// Options of a Stage.
type Options struct {
	Engine     string
	Dir        string // for data and logs; must exist
	Todoke     string // the program
	NATSServer string // the program, for nats-server
	Redis      string // the program, for redis
	// Exited is told of a process that ended by itself.
	Exited func(name, why string)
}

// A Stage is an engine and the nodes on it.
type Stage struct {
	Nodes   []*Process
	Proxies []*proxy.Proxy // on the way to each node
	// Store is the engine's process, and Link the proxy between the nodes and it; nil where it is in the node.
	Store *Process
	Link  *proxy.Proxy
	// NoDisk says why a full disk cannot be made; empty when it can.
	NoDisk string

	dir  string // logs
	data string
}

// diskBytes is what the small disk holds. A run of some hundred rounds needs a tenth.
const diskBytes = 192 << 20

// New starts everything. The stage must be closed, also after an error.
func New(ctx context.Context, o Options) (*Stage, error) {
	s := &Stage{dir: o.Dir, data: filepath.Join(o.Dir, "data")}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return s, err
	}
	if o.Engine == "memory" {
		s.NoDisk = "the memory engine has no disk"
	} else if err := mountSmall(s.data, diskBytes); err != nil {
		s.NoDisk = "a small disk needs root on Linux: " + err.Error()
	}
	args, nodes, err := s.startStore(ctx, o)
	if err != nil {
		return s, err
	}
	ports, err := freePorts(nodes)
	if err != nil {
		return s, err
	}
	for i, port := range ports {
		p, err := proxy.New(address(port))
		if err != nil {
			return s, err
		}
		s.Proxies = append(s.Proxies, p)
		// More is retained than a run publishes: a gap is then never one of retention.
		nodeArgs := append([]string{"serve", "--dev", "--listen", address(port), "--retain-messages", "1000000",
			"--retain-bytes", "0", "--retain-age", "2h"}, args...)
		node := newProcess(fmt.Sprintf("node%d", i+1), o.Todoke, port, s.dir, o.Exited, nodeArgs...)
		s.Nodes = append(s.Nodes, node)
		if err := node.Start(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// startStore returns what nodes are told of the engine, and how many there are.
func (s *Stage) startStore(ctx context.Context, o Options) (args []string, nodes int, err error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, 0, err
	}
	port := ports[0]
	switch o.Engine {
	case "memory":
		return []string{"--engine", "memory"}, 1, nil
	case "nats":
		return []string{"--engine", "nats", "--data", filepath.Join(s.data, "log")}, 1, nil
	case "nats-server":
		config := filepath.Join(s.dir, "nats.conf")
		text := fmt.Sprintf("listen: %s\nmax_payload: 8MB\njetstream { store_dir: %q\n sync_interval: always }\n", address(port), filepath.Join(s.data, "store"))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, 0, err
		}
		s.Store = newProcess("nats-server", o.NATSServer, port, s.dir, o.Exited, "-c", config)
		args, err = s.linked(ctx, "nats://", port)
	case "redis":
		s.Store = newProcess("redis-server", o.Redis, port, s.dir, o.Exited, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", s.data,
			"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0", "--daemonize", "no")
		args, err = s.linked(ctx, "redis://", port)
	default:
		return nil, 0, fmt.Errorf("%q is none of the engines %v", o.Engine, Engines)
	}
	return args, 2, err
}

func (s *Stage) linked(ctx context.Context, scheme string, port int) (args []string, err error) {
	if err := s.Store.Start(ctx); err != nil {
		return nil, err
	}
	if s.Link, err = proxy.New(address(port)); err != nil {
		return nil, err
	}
	return []string{"--engine", scheme + s.Link.Addr()}, nil
}

// Fill leaves no byte free on the engine's disk.
func (s *Stage) Fill() error {
	f, err := os.OpenFile(s.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Free undoes Fill.
func (s *Stage) Free() error { return os.Remove(s.filler()) }

func (s *Stage) filler() string { return filepath.Join(s.data, "filler") }

// Close ends everything. What the programs wrote stays, unless it was on the small disk.
func (s *Stage) Close() (err error) {
	for _, node := range s.Nodes {
		err = errors.Join(err, node.Kill())
	}
	for _, p := range s.Proxies {
		p.Close()
	}
	if s.Link != nil {
		s.Link.Close()
	}
	if s.Store != nil {
		err = errors.Join(err, s.Store.Kill())
	}
	if s.NoDisk == "" {
		err = errors.Join(err, unmount(s.data))
	}
	return err
}
