package todoke

import (
	"log/slog"
	"time"
)

// Defaults of Options.
const (
	DefaultMaxMessageBytes   = 1 << 20
	DefaultIdempotencyWindow = 5 * time.Minute
)

// Options of a Hub. The zero value works: the memory engine, the default retention, and a Gate that
// lets nobody in.
type Options struct {
	// Namespace holds the options of channels without a namespace, and of namespaces that Namespaces does not name.
	Namespace Namespace
	// Namespaces are options by namespace: "chat" holds those of chat:42. A field that is zero there is
	// the default, not that of Namespace.
	Namespaces map[string]Namespace
	// Authorizer decides what comes through the Gate. Nil: everything is refused. AllowAll lets
	// everybody do everything.
	Authorizer Authorizer
	// Engine keeps the log; the hub opens and closes it. Nil: NewMemory.
	Engine Engine
	// Version is what the node tells others that it runs, see Node.
	Version string
	// Logger gets what an operator should know. Nil: slog.Default().
	Logger *slog.Logger
}

// A Namespace is how the channels of a namespace behave.
type Namespace struct {
	Retention
	// Conflation is how a reader that is behind is caught up. "": message by message.
	Conflation Conflation
	// MaxMessageBytes is the most data of a message. 0: 1 MiB.
	MaxMessageBytes int
}

// A Conflation says how a reader that is behind is caught up by key. Messages without a key share the
// empty one.
type Conflation string

const (
	ConflateNone   Conflation = ""       // message by message
	ConflateLatest Conflation = "latest" // the newest message of each key
	ConflateAppend Conflation = "append" // neighbouring messages of a key joined: AI tokens
	ConflateMerge  Conflation = "merge"  // JSON Merge Patches (RFC 7396) of a key merged into one: scoreboards
)

// namespace is a Namespace with everything filled in; one per configured name, compared by pointer.
type namespace struct {
	retention  Retention
	conflation Conflation
	maxBytes   int
}

func (n Namespace) resolve(name string) (*namespace, error) {
	switch n.Conflation {
	case ConflateNone, ConflateLatest, ConflateAppend, ConflateMerge:
	default:
		return nil, errf(CodeInvalidParameter, "conflation", "namespace %q: %q is none of latest, append, merge", name, n.Conflation)
	}
	if n.MaxMessageBytes < 0 {
		return nil, errf(CodeInvalidParameter, "max_message_bytes", "namespace %q: it cannot be negative", name)
	}
	if n.MaxMessageBytes == 0 {
		n.MaxMessageBytes = DefaultMaxMessageBytes
	}
	return &namespace{retention: n.Retention.WithDefaults(), conflation: n.Conflation, maxBytes: n.MaxMessageBytes}, nil
}
