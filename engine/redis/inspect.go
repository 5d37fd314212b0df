package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/todoke-dev/todoke"
)

// facts are what a server says of itself.
type facts struct {
	version     string
	mode        string // standalone, sentinel or cluster
	policy      string // of eviction
	aof         bool
	fsync       string // always, everysec, no; "": it may not be asked
	rewriteSync bool   // synced while the append-only file is rewritten, too
	replicas    int
	minReplicas int
}

// errLoading: what the server says of itself is not yet so. Its own answer to anything else begins with the same word.
var errLoading = errors.New("LOADING: Redis reads its data")

// inspect asks the server.
func inspect(ctx context.Context, c commander) (facts, error) {
	var f facts
	info, err := c.Do(ctx, c.B().Info().Build()).ToString()
	if err != nil {
		return f, err
	}
	said := parseInfo(info)
	if said["loading"] == "1" {
		// It says aof_enabled:0 while it reads the append-only file.
		return f, errLoading
	}
	f.version, f.mode, f.policy = said["redis_version"], said["redis_mode"], said["maxmemory_policy"]
	f.aof = said["aof_enabled"] == "1"
	f.replicas, _ = strconv.Atoi(said["connected_slaves"])
	config, err := c.Do(ctx, c.B().ConfigGet().Parameter("appendfsync", "no-appendfsync-on-rewrite", "min-replicas-to-write").Build()).AsStrMap()
	if _, answered := reply(err); err != nil && !answered {
		return f, err
	}
	// A server that does not let us look at its configuration is taken for one that promises nothing.
	f.fsync = config["appendfsync"]
	f.rewriteSync = config["no-appendfsync-on-rewrite"] == "no"
	f.minReplicas, _ = strconv.Atoi(config["min-replicas-to-write"])
	return f, nil
}

// parseInfo reads the lines of INFO.
func parseInfo(text string) map[string]string {
	said := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if name, value, found := strings.Cut(lines.Text(), ":"); found {
			said[name] = value
		}
	}
	return said
}

// check says why the server cannot keep a log.
func (f facts) check() error {
	major, _, _ := strings.Cut(f.version, ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil || n < 7:
		return fmt.Errorf("redis: the server is version %q; functions need Redis 7 or later, or Valkey", f.version)
	case f.mode == "cluster":
		return errors.New("redis: the server is part of a Redis Cluster; one log has one counter, which one server keeps: " +
			"use a server that is not in cluster mode, with Sentinel if another is to take over")
	case f.mode == "sentinel":
		return errors.New("redis: this is a Sentinel; add master_set=NAME to the URL")
	case f.policy != "noeviction":
		return fmt.Errorf("redis: maxmemory-policy is %q: Redis would throw away parts of the log when memory is short; set it to noeviction", f.policy)
	}
	return nil
}

// synced reports whether each write is on disk before it is answered, by all that the server says.
func (f facts) synced() bool { return f.aof && f.fsync == "always" }

func (f facts) caps() todoke.Caps {
	return todoke.Caps{
		Process: f.synced(),
		Machine: f.synced() && f.rewriteSync,
		// Replication is asynchronous: what one server has acknowledged may not have reached another.
		Node: false,
		// A publisher of an old epoch is refused in any case; an old primary that nobody reaches is a stale writer too.
		Fenced: f.replicas == 0 || f.minReplicas > 0,
	}
}

// warnings tell how acknowledged messages can be lost.
func (f facts) warnings() []string {
	var all []string
	switch {
	case !f.aof:
		all = append(all, "appendonly is off: messages acknowledged since the last snapshot are lost when Redis ends; set appendonly yes and appendfsync always")
	case f.fsync == "":
		all = append(all, "CONFIG GET is not permitted, so it is not known what Redis keeps: every restart of it begins a new epoch")
	case !f.synced():
		all = append(all, "appendfsync is "+f.fsync+": messages acknowledged in the last seconds are lost when Redis ends in a crash, and every restart of it begins a new epoch; "+
			"set appendfsync always to keep them")
	case !f.rewriteSync:
		all = append(all, "no-appendfsync-on-rewrite is on: when the machine ends during a rewrite of the append-only file, acknowledged messages are lost; set it to no")
	}
	if f.replicas > 0 && f.minReplicas == 0 {
		all = append(all, "there are replicas and min-replicas-to-write is 0: a primary that is cut off goes on acknowledging messages that are lost when a replica takes over; set it to 1")
	}
	return all
}
