package server

import (
	"strings"
	"time"
)

// A Setting is one field of a Config in all its forms.
type Setting struct {
	// Key is the name in the file: retain_age.
	Key string
	// Usage says in a line what it is; it is the flag's help.
	Usage string
	// Value is the field.
	Value Value
}

// Flag is the name of the command line's flag: retain-age.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Key, "_", "-") }

// Env is the name of the environment variable: TODOKE_RETAIN_AGE.
func (s Setting) Env() string { return "TODOKE_" + strings.ToUpper(s.Key) }

// A Value is a field as text; it fits pflag.Value and flag.Value.
type Value interface {
	String() string
	Set(text string) error // the error says what may stand there
	Type() string          // what the text is, for the help
}

// Settings returns the table of all settings, bound to the fields of c.
func (c *Config) Settings() []Setting {
	return append([]Setting{
		{"dev", "run open, without authentication, for development: on this machine only", newBool(&c.Dev)},
		{"listen", "the address, host:port; localhost is both 127.0.0.1 and [::1]", newText(&c.Listen)},
		{"allow_origin", "let web pages of this origin in, like https://app.example.com (several: with commas, or again)", newList(&c.AllowOrigin)},
		{"links", "how connections of streams are kept: evented (where the system can) or goroutine, one for each", newChoice(&c.Links, LinksEvented, LinksGoroutine)},
		{"admin_listen", "a second address, on this machine only, for profiles at /debug/pprof/; empty is none", newOptionalText(&c.AdminListen)},
		{"engine", "what keeps the log: memory, nats (files in data), nats://host:4222, or redis://host:6379 (docs/engines.md)", newEngineValue(&c.Engine)},
		{"data", "the directory where --engine nats keeps the log", newText(&c.Data)},
		{"cluster_listen", "host:port where this node waits for the others that keep the log together (--engine nats --data DIR)", newOptionalText(&c.ClusterListen)},
		{"cluster_peers", "host:port of all nodes that keep the log together, three or more (with commas, or again)", newList(&c.ClusterPeers)},
		{"cluster_name", "this node's name in the cluster, not to be changed later; empty is one made of cluster_listen", newOptionalText(&c.ClusterName)},
		{"cluster_secret", "what the nodes of the cluster show each other; best set as TODOKE_CLUSTER_SECRET", newSecret(&c.ClusterSecret)},
		{"stop_timeout", "how long a graceful stop may take", newDuration(&c.StopTimeout, time.Second, time.Hour)},
		{"stop_spread", "over which time clients are told to come again when the server stops", newDuration(&c.StopSpread, 0, time.Hour)},
		{"log_level", "debug (each request), info, warn or error", newChoice(&c.LogLevel, "debug", "info", "warn", "error")},
		{"log_format", "text or json", newChoice(&c.LogFormat, "text", "json")},
	}, c.Namespace.settings()...)
}

// settings are those of the top as well as of a namespace.
func (n *Namespace) settings() []Setting {
	return []Setting{
		{"retain_messages", "messages a channel keeps; 0 keeps none", newCount(&n.RetainMessages)},
		{"retain_bytes", "bytes a channel keeps, like 16MiB; 0 is no limit", newSize(&n.RetainBytes, 0)},
		{"retain_age", "how long a channel keeps a message; 0 is no limit", newDuration(&n.RetainAge, 0, 0)},
		{"conflation", "how a reader that is behind is caught up: none, latest, append or merge", newChoice(&n.Conflation, "none", "latest", "append", "merge")},
		{"max_message_bytes", "the most data of one message", newSize(&n.MaxMessageBytes, 1)},
	}
}

// nearest returns the known name that unknown was probably meant to be, or "".
func nearest(unknown string, known []string) string {
	best, least := "", 1+len(unknown)/3 // more than a third wrong is no slip
	for _, name := range known {
		if d := distance(unknown, name); d <= least {
			best, least = name, d-1
		}
	}
	return best
}

// distance is Levenshtein's: how many bytes to put in, take out or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
