package todoke

import (
	"context"
	"time"
)

// A Directory is what the nodes of a log tell each other beside it: who is there, and small values that each node has of its own. A node
// has one lease, and its values last as long as that does. It is no log: nothing of it is stored, there is no order between nodes, and
// of several changes of a value only the last may be told. What must not be lost belongs into the log.
//
// A node that ends without Close, or that is cut off, is gone for the others when they have not heard of it for a TTL; its values go with
// it. A node that is cut off sees the same of the others, and keeps its own values. When the parts meet again each tells the
// others what it has, and they come back. So a value can be told gone whose node lives, and two nodes can both believe that they are
// alone: nobody may take it for a lock.
//
// Its methods may be called at the same time from many goroutines.
type Directory interface {
	// Set gives this node a value; an empty one takes it away. Others are told at once where they can be reached, and otherwise when
	// they are. CodeTooLarge: over MaxDirectoryValue or MaxDirectoryNode; CodeInvalidParameter: the key is empty or over
	// MaxDirectoryKey. After an error nothing has changed. The directory keeps value.
	Set(ctx context.Context, key string, value []byte) error

	// Entries returns what this node knows, by node and key: its own values as they were set, others' as they were told. It asks nobody.
	// What others had before this node came is known soon after, and for certain within a TTL.
	Entries() []Entry

	// Watch tells of every entry there is and then of each change, until ctx ends or the directory is closed; its error says
	// which. The calls of tell come one at a time, in order for each node; while it runs, changes of one value are
	// joined, so a slow one costs no memory.
	Watch(ctx context.Context, tell func(Entry)) error

	// Close gives the lease up: others are told that this node's values are gone. It may be called again; Set and Watch then get CodeClosed.
	Close() error
}

// An Entry is a value of a node in a Directory.
type Entry struct {
	Node  string
	Key   string
	Value []byte // shared: not to be changed. empty, when Watch tells of it: it is gone
}

// Limits of a Directory.
const (
	MaxDirectoryKey   = 255       // bytes of a key
	MaxDirectoryValue = 64 << 10  // bytes of a value
	MaxDirectoryNode  = 256 << 10 // bytes of all keys and values of a node
	// DefaultDirectoryTTL is how long a node is believed to be there that is not heard of.
	DefaultDirectoryTTL = 10 * time.Second
)

// A DirectoryMaker is an engine that also has a Directory: for all nodes on its log. It is asked once, after Open; what it made is closed before the
// engine is. node is another for each, and 1 to 64 bytes long. ttl 0 is DefaultDirectoryTTL.
type DirectoryMaker interface {
	NewDirectory(node string, ttl time.Duration) (Directory, error)
}
