package nats

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/todoke-dev/todoke"
)

// Options of the engine. Either URL or Dir is required; all else has a default.
type Options struct {
	// URL is one address or several with commas, nats://host:4222, of NATS servers with JetStream (2.12 or later). "": the server
	// is embedded.
	URL string
	// Connect are options for the connection to URL, like nats.UserCredentials or nats.RootCAs. Those for reconnecting are the
	// engine's own.
	Connect []nats.Option

	// Dir is where the embedded server keeps its files. It is made if it is not there; one process uses it at a time.
	Dir string
	// Cluster joins the embedded servers of several processes. Zero: it stands alone.
	Cluster Cluster
	// SyncInterval is how often the embedded server has the disk write down what it holds in its cache: what was acknowledged
	// since may be lost when the machine loses power or crashes, never when just the process does. 0: 1 s. Negative: before each
	// acknowledgement, which costs most of the speed.
	SyncInterval time.Duration
	// MaxPayload is the largest message in bytes that the embedded server takes. 0: 8 MiB, at most 64 MiB.
	MaxPayload int
	// Server may change the options of the embedded server before it starts: TLS between servers, limits, monitoring. Nil: no change.
	Server func(*natsserver.Options)

	// Prefix is the name of the stream and the first token of all its subjects. "": todoke.
	Prefix string
	// System tells which todoke system the stream belongs to; one of another name is not used. All nodes of a system have
	// the same. "": main.
	System string
	// Replicas is how many servers keep the stream. 0: 1, or 3 with three or more Cluster.Peers. A stream that is
	// there with another number is refused.
	Replicas int
	// MaxBytes bounds the stream on each server's disk; the oldest messages of all channels go first, and readers that need them
	// are told. 0: no limit but the retention.
	MaxBytes int64
	// IdempotencyWindow is how long an idempotency key is remembered. 0: 5 minutes. Negative: not at all. All nodes of a
	// system have the same.
	IdempotencyWindow time.Duration

	// Timeout is how long a call waits for the store before it fails; one whose context ends earlier fails then. 0: 5 s.
	Timeout time.Duration
	// StartTimeout is how long Open waits, for instance for the other servers of a cluster. 0: 30 s.
	StartTimeout time.Duration
	// Logger gets what the connection and the embedded server have to say. Nil: slog.Default.
	Logger *slog.Logger
}

// A Cluster is how embedded servers find each other. They talk to each other without encryption, unless Options.Server sets TLS:
// put them into a network of their own.
type Cluster struct {
	// Name of this server, different on each. Required with Peers, and not to be changed later.
	Name string
	// Listen is the host:port where this server waits for the others.
	Listen string
	// Peers are the host:port of all servers of the cluster; this one may be among them.
	Peers []string
	// Secret is what the servers show each other. All have the same.
	Secret string
}

const (
	defaultPrefix       = "todoke"
	defaultSystem       = "main"
	defaultSyncInterval = time.Second
	defaultMaxPayload   = 8 << 20
	mostPayload         = 64 << 20 // of nats-server
	leastWindow         = 100 * time.Millisecond
)

func (o Options) embedded() bool { return o.URL == "" }

// resolve fills in the defaults and reports what cannot be.
func (o Options) resolve() (Options, error) {
	o.Prefix = cmp.Or(o.Prefix, defaultPrefix)
	o.System = cmp.Or(o.System, defaultSystem)
	o.SyncInterval = cmp.Or(o.SyncInterval, defaultSyncInterval)
	o.MaxPayload = cmp.Or(o.MaxPayload, defaultMaxPayload)
	o.IdempotencyWindow = cmp.Or(o.IdempotencyWindow, todoke.DefaultIdempotencyWindow)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.StartTimeout = cmp.Or(o.StartTimeout, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Replicas == 0 {
		o.Replicas = 1
		if o.embedded() && len(o.Cluster.Peers) >= 3 {
			o.Replicas = 3
		}
	}
	return o, o.check()
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (o Options) check() error {
	switch {
	case o.URL == "" && o.Dir == "":
		return errors.New("neither an address nor a directory is given: set URL to use NATS servers of your own, or Dir to keep the log in files of this process")
	case o.URL != "" && o.Dir != "":
		return errors.New("both an address and a directory are given: with URL the log lives on the NATS servers, so leave Dir out")
	case !prefixForm.MatchString(o.Prefix):
		return fmt.Errorf("prefix %q: write 1 to 64 of A-Z a-z 0-9 _ and -", o.Prefix)
	case o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5:
		return fmt.Errorf("%d replicas: it is 1, 3 or 5", o.Replicas)
	case o.IdempotencyWindow > 0 && o.IdempotencyWindow < leastWindow:
		return fmt.Errorf("an idempotency window of %v: the shortest is %v; negative is none", o.IdempotencyWindow, leastWindow)
	case o.MaxPayload < 1 || o.MaxPayload > mostPayload:
		return fmt.Errorf("messages of %d bytes: NATS takes at most %d", o.MaxPayload, mostPayload)
	case o.Timeout < 0 || o.StartTimeout < 0 || o.MaxBytes < 0:
		return errors.New("a time limit or MaxBytes is negative")
	case !o.embedded():
		return nil
	}
	return o.Cluster.check(o.Replicas)
}

func (c Cluster) check(replicas int) error {
	if len(c.Peers) == 0 {
		if c.Name != "" || c.Listen != "" || c.Secret != "" {
			return errors.New("the cluster has no peers: name the host:port of all its servers, or leave the cluster out")
		}
		if replicas > 1 {
			return fmt.Errorf("%d replicas need the peers of a cluster", replicas)
		}
		return nil
	}
	if c.Name == "" {
		return errors.New("the cluster needs a name for this server, different on each")
	}
	for _, address := range append([]string{c.Listen}, c.Peers...) {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return fmt.Errorf("the cluster's address %q is not host:port", address)
		}
	}
	if replicas > len(c.Peers) {
		return fmt.Errorf("%d replicas and %d peers: each replica is on a server of its own", replicas, len(c.Peers))
	}
	return nil
}
