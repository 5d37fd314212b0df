package server

import (
	"log/slog"
	"time"

	"github.com/todoke-dev/todoke"
)

// A Config is everything that can be set. A field is one flag, one environment variable and one key of the file: RetainAge
// is --retain-age, TODOKE_RETAIN_AGE and retain_age (Settings has the table). Start from Defaults.
type Config struct {
	// Dev runs the server without authentication, open to every program on this machine. It then listens on loopback
	// addresses only.
	Dev bool
	// Listen is the address, host:port. With localhost it listens on 127.0.0.1 and [::1]. Port 0 takes any free one.
	Listen string
	// AllowOrigin are the origins whose web pages may read and publish besides the server's own:
	// https://app.example.com. "*" lets in every page that a user of this machine opens.
	AllowOrigin []string
	// Engine is what keeps the log: memory, which ends with the process; nats, in files in Data; nats://host:4222, on NATS servers; or
	// the URL of a Redis server, see package engine/redis. It may have a password in it.
	Engine string
	// Data is the directory of an engine that keeps the log in files.
	Data string
	// ClusterListen is the host:port where a node whose NATS server is its own waits for those of the ClusterPeers.
	ClusterListen string
	// ClusterPeers are the host:port of all nodes that keep the log together, three or more, this one among them. None: it keeps
	// the log alone.
	ClusterPeers []string
	// ClusterName tells the nodes apart, and is not to be changed later. "": made of where the node listens.
	ClusterName string
	// ClusterSecret is what the nodes show each other; it may only be left out on one machine.
	ClusterSecret string
	// Namespace holds the options of channels whose namespace is not in Namespaces.
	Namespace
	// Namespaces are options by namespace: chat is that of chat:42. They are set in the file only.
	Namespaces map[string]Namespace
	// Links is how the connections of streams are kept: evented, without a goroutine and buffers for each, where the system and the
	// connection allow it (Linux, plain TCP); or goroutine, one for each, as it is elsewhere.
	Links string
	// AdminListen is the address, on this machine only, of /debug/pprof/. "": none.
	AdminListen string
	// StopTimeout is how long a graceful stop may take before what is left is cut.
	StopTimeout time.Duration
	// StopSpread is the time over which clients of a server that stops are told to come again.
	StopSpread time.Duration
	// LogLevel is debug (each request), info, warn or error.
	LogLevel string
	// LogFormat is text or json.
	LogFormat string

	// Logger gets what LogLevel lets through. It is no setting: nil makes the one that LogLevel and LogFormat ask for.
	Logger *slog.Logger
}

// The values of Config.Links.
const (
	LinksEvented   = "evented"
	LinksGoroutine = "goroutine"
)

// A Namespace is how the channels of a namespace behave. In the file, what is left out is as at the top.
type Namespace struct {
	// RetainMessages is how many messages a channel keeps. 0: none.
	RetainMessages int
	// RetainBytes is how many bytes of messages a channel keeps. 0: no limit.
	RetainBytes int
	// RetainAge is how long a channel keeps a message. 0: no limit.
	RetainAge time.Duration
	// Conflation is how a reader that is behind is caught up: message by message (none), latest, append or merge.
	Conflation string
	// MaxMessageBytes is the most data of one message.
	MaxMessageBytes int
}

// Defaults are the settings of a server that was told nothing.
func Defaults() Config {
	return Config{
		Listen: "localhost:7070",
		Engine: engineMemory,
		Namespace: Namespace{
			RetainMessages:  todoke.DefaultRetainMessages,
			RetainBytes:     todoke.DefaultRetainBytes,
			RetainAge:       todoke.DefaultRetainAge,
			Conflation:      "none",
			MaxMessageBytes: todoke.DefaultMaxMessageBytes,
		},
		Links:       LinksEvented,
		StopTimeout: 10 * time.Second,
		StopSpread:  5 * time.Second,
		LogLevel:    "info",
		LogFormat:   "text",
	}
}

// options are the hub's.
func (n Namespace) options() todoke.Namespace {
	unlimited := func(value int) int {
		if value == 0 {
			return -1 // the core's 0 is its default
		}
		return value
	}
	conflation := todoke.Conflation(n.Conflation)
	if n.Conflation == "none" {
		conflation = todoke.ConflateNone
	}
	return todoke.Namespace{
		Retention: todoke.Retention{
			Messages: unlimited(n.RetainMessages),
			Bytes:    unlimited(n.RetainBytes),
			Age:      time.Duration(unlimited(int(n.RetainAge))),
		},
		Conflation:      conflation,
		MaxMessageBytes: n.MaxMessageBytes,
	}
}
