//go:build unix

package redis_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/rueidis"
)

// sentinel runs a Sentinel that watches a primary by the name main, and returns its port.
func sentinel(t *testing.T, primary *server) (port string) {
	t.Helper()
	port = freePort(t)
	path := filepath.Join(primary.dir, "sentinel.conf")
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %s 1\nsentinel down-after-milliseconds main 500\n",
		port, primary.dir, primary.listen())
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(primary.path, path, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return port
}

// TestSentinel: Sentinel has a replica take over, and the engine goes there by itself.
func TestSentinel(t *testing.T) {
	primary, replica := start(t, "--appendonly", "yes"), start(t, "--appendonly", "yes")
	replica.listen() // first: it tells the primary its port when it begins to follow
	replica.follow(primary)
	port := sentinel(t, primary)
	option := rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + port}, ForceSingleClient: true, DisableCache: true}
	var watch rueidis.Client
	waitFor(t, "Sentinel answers", func() (ok bool) {
		var err error
		watch, err = rueidis.NewClient(option)
		return err == nil
	})
	defer watch.Close()
	ask := func(words ...string) rueidis.RedisResult {
		return watch.Do(t.Context(), watch.B().Arbitrary(words...).Build())
	}
	waitFor(t, "Sentinel knows the replica", func() bool {
		replicas, err := ask("SENTINEL", "REPLICAS", "main").ToArray()
		return err == nil && len(replicas) == 1
	})
	e := openOn(t, "redis://127.0.0.1:"+port+"?master_set=main&prefix=t")
	tail := follow(t, e)
	before := mustPublish(t, e, 3)
	inStep(t, primary, replica)
	waitFor(t, "Sentinel takes the replica", func() bool { return ask("SENTINEL", "FAILOVER", "main").Error() == nil })
	waitFor(t, "the replica is the primary", func() bool { return replica.says("role") == "master" })
	waitFor(t, "the engine is at the new primary", func() bool { return settled(t, e).Epoch != before.Epoch })
	last := mustPublish(t, e, 1)
	waitFor(t, "the tail is in the new history", func() bool { return tail.reached(last) })
}
