package nats

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/todoke-dev/todoke"
)

// dirFormat is the layout of the directory; a newer one is not touched.
const dirFormat = 1

// A note is what the engine keeps in the directory beside the server's files, to notice what the server would not: files that
// are gone, and a log that ends too early.
type note struct {
	Format int           `json:"format"`
	Prefix string        `json:"prefix"`
	Server string        `json:"server"`          // the name within the cluster
	Stream bool          `json:"stream"`          // the stream was there
	Epoch  string        `json:"epoch,omitempty"` // the log went up to Head of it, at least
	Head   todoke.Offset `json:"head,omitempty"`
	Boot   string        `json:"boot,omitempty"` // of the machine, while the process runs
	Clean  bool          `json:"clean"`          // the process ended in order
}

// A dataDir is a directory in use. nil is none: its methods then do nothing.
type dataDir struct {
	dir  string
	lock *os.File
	was  note // as it was found
	lone bool // no other server has a copy

	mu  sync.Mutex
	now note
}

const (
	noteName = "todoke.json"
	lockName = "todoke.lock"
)

// enter takes the directory for this process and reads its note. doubt, if not "", is why acknowledged messages may be missing.
func enter(o Options) (d *dataDir, doubt string, err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("the data directory: %w", err)
	}
	d = &dataDir{dir: o.Dir, lone: len(o.Cluster.Peers) == 0}
	if d.lock, err = lockFile(filepath.Join(o.Dir, lockName)); err != nil {
		if errors.Is(err, errInUse) {
			err = fmt.Errorf("%s: %w; stop it, or give this one a directory of its own", o.Dir, err)
		}
		return nil, "", fmt.Errorf("the data directory %w", err)
	}
	if doubt, err = d.read(o); err != nil {
		return nil, "", errors.Join(fmt.Errorf("the data directory %s %w", o.Dir, err), d.unlock())
	}
	return d, doubt, nil
}

func (d *dataDir) read(o Options) (doubt string, err error) {
	text, err := os.ReadFile(filepath.Join(d.dir, noteName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := d.empty(); err != nil {
			return "", err
		}
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	default:
		if err := json.Unmarshal(text, &d.was); err != nil {
			return "", fmt.Errorf("is damaged: %s: %w", noteName, err)
		}
		switch {
		case d.was.Format > dirFormat:
			return "", fmt.Errorf("has format %d, and this version knows formats up to %d: it was made by a newer todoke; use that one", d.was.Format, dirFormat)
		case d.was.Format < 1:
			return "", fmt.Errorf("is damaged: %s has format %d", noteName, d.was.Format)
		case d.was.Prefix != o.Prefix:
			return "", fmt.Errorf("holds the log %q, and this is %q; use its prefix, or another directory", d.was.Prefix, o.Prefix)
		case d.was.Server != o.Cluster.Name:
			return "", fmt.Errorf("belongs to the server %q of a cluster, and this is %q (\"\": not in a cluster); use its name, or another directory", d.was.Server, o.Cluster.Name)
		}
	}
	boot := bootID()
	// What the machine's cache held is lost with the machine, not with the process.
	if d.lone && o.SyncInterval > 0 && d.was.Stream && !d.was.Clean && d.was.Boot != "" && boot != "" && boot != d.was.Boot {
		doubt = "the machine stopped without warning"
	}
	d.now = d.was
	d.now.Format, d.now.Prefix, d.now.Server, d.now.Boot, d.now.Clean = dirFormat, o.Prefix, o.Cluster.Name, boot, false
	if doubt != "" {
		d.now.Boot = d.was.Boot // until the new epoch is written
	}
	return doubt, d.write()
}

// empty refuses a directory without a note that has files in it: they are somebody else's.
func (d *dataDir) empty() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != lockName && !strings.HasPrefix(entry.Name(), noteName) {
			return fmt.Errorf("was not made by todoke: it holds %s; choose an empty one", entry.Name())
		}
	}
	return nil
}

// write replaces the note in one step.
func (d *dataDir) write() error {
	text, err := json.Marshal(d.now)
	if err != nil {
		return err
	}
	path := filepath.Join(d.dir, noteName)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	return nil
}

// hadStream reports whether this server alone kept the stream, which then must be there.
func (d *dataDir) hadStream() bool { return d != nil && d.lone && d.was.Stream }

// expects is the epoch and the offset that verify is to hold the log to: where it cannot be told whether the machine stopped, a
// log that ends too early after a disorderly end gets a new epoch. Everywhere else check refuses it.
func (d *dataDir) expects() (epoch string, head todoke.Offset) {
	if d == nil || !d.lone || d.was.Clean || bootID() != "" {
		return "", 0
	}
	return d.was.Epoch, d.was.Head
}

// check refuses a log that ends before the offset that the note has: the end of a process takes nothing away.
func (d *dataDir) check(last todoke.Offset) error {
	if d == nil || !d.lone || last >= d.was.Head {
		return nil
	}
	return fmt.Errorf("the files in %s are damaged: the log ends at %d and went up to %d; bring them back from a backup, "+
		"or move the directory away to begin with an empty log", d.dir, last, d.was.Head)
}

// watermark notes how far the log goes. A failure is no reason to stop: the note is only older then.
func (d *dataDir) watermark(head todoke.Offset, epoch string) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now.Head == head && d.now.Epoch == epoch && d.now.Stream && d.now.Boot == bootID() {
		return
	}
	d.now.Stream, d.now.Head, d.now.Epoch, d.now.Boot = true, head, epoch, bootID()
	_ = d.write()
}

// leave notes an orderly end.
func (d *dataDir) leave(head todoke.Offset, epoch string) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now.Head, d.now.Epoch, d.now.Clean = head, epoch, true
	return d.write()
}

func (d *dataDir) unlock() error {
	if d == nil || d.lock == nil {
		return nil
	}
	err := d.lock.Close() // which gives the lock up
	d.lock = nil
	return err
}

// bootID names the present run of the machine; "" where it cannot be told.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
