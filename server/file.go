package server

import (
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/todoke-dev/todoke"
)

// maxFileBytes bounds a configuration file.
const maxFileBytes = 1 << 20

// A file is a configuration file that was read and not yet understood.
type file struct {
	path       string
	top        []entry
	namespaces []entry // each value a mapping
}

// An entry is one line "key: value".
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

func readFile(path string) (file, error) {
	handle, err := os.Open(path)
	if err != nil {
		return file{}, fmt.Errorf("reading the configuration: %w", err)
	}
	defer handle.Close()
	text, err := io.ReadAll(io.LimitReader(handle, maxFileBytes+1))
	if err != nil {
		return file{}, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) > maxFileBytes {
		return file{}, fmt.Errorf("%s: it is over %d bytes, which is no configuration", path, maxFileBytes)
	}
	return parseFile(path, text)
}

func parseFile(path string, text []byte) (file, error) {
	f := file{path: path}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	if document.Kind == 0 {
		return f, nil // an empty file
	}
	entries, err := f.entries(document.Content[0])
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		if e.key != "namespaces" {
			f.top = append(f.top, e)
			continue
		}
		if f.namespaces, err = f.entries(e.value); err != nil {
			return f, err
		}
	}
	return f, nil
}

// entries reads a mapping. Each key stands once (YAML 1.2.2 §3.2.1.1); aliases are not taken: nothing here is worth
// the bombs that they allow.
func (f file) entries(node *yaml.Node) ([]entry, error) {
	if node.Kind != yaml.MappingNode {
		return nil, f.fault(node.Line, errors.New("here belong lines of the form key: value"))
	}
	seen := map[string]int{}
	var entries []entry
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if first, twice := seen[key.Value]; twice {
			return nil, f.fault(key.Line, fmt.Errorf("%s stands twice; first in line %d", key.Value, first))
		}
		seen[key.Value] = key.Line
		entries = append(entries, entry{key.Value, key.Line, value})
	}
	return entries, nil
}

// apply sets what the file says outside of namespaces.
func (f file) apply(c *Config) error {
	return f.set(f.top, c.Settings(), "namespaces")
}

// applyNamespaces sets the namespaces; what one does not say is as c has it at the top.
func (f file) applyNamespaces(c *Config) error {
	for _, e := range f.namespaces {
		if err := todoke.ValidateChannel(e.key); err != nil || todoke.NamespaceOf(e.key) != "" {
			return f.fault(e.line, fmt.Errorf("%q is no namespace: it is the part of a channel's name before the first ':'", e.key))
		}
		entries, err := f.entries(e.value)
		if err != nil {
			return err
		}
		namespace := c.Namespace
		if err := f.set(entries, namespace.settings()); err != nil {
			return err
		}
		if c.Namespaces == nil {
			c.Namespaces = map[string]Namespace{}
		}
		c.Namespaces[e.key] = namespace
	}
	return nil
}

// set gives each entry to the setting of its name. further are names that may stand there too, for the hint.
func (f file) set(entries []entry, settings []Setting, further ...string) error {
	byKey, known := map[string]Setting{}, further
	for _, s := range settings {
		byKey[s.Key], known = s, append(known, s.Key)
	}
	for _, e := range entries {
		s, ok := byKey[e.key]
		if !ok {
			return f.unknown(e, known)
		}
		texts, err := scalars(e.value)
		if err != nil {
			return f.fault(e.value.Line, fmt.Errorf("%s: %w", e.key, err))
		}
		if _, several := s.Value.(list); len(texts) != 1 && !several {
			return f.fault(e.value.Line, fmt.Errorf("%s: it takes one value, not a list", e.key))
		}
		for _, text := range texts {
			if err := s.Value.Set(text); err != nil {
				return f.fault(e.value.Line, fmt.Errorf("%s: %w", e.key, err))
			}
		}
	}
	return nil
}

func (f file) unknown(e entry, known []string) error {
	if meant := nearest(e.key, known); meant != "" {
		return f.fault(e.line, fmt.Errorf("unknown key %q; did you mean %s?", e.key, meant))
	}
	return f.fault(e.line, fmt.Errorf("unknown key %q", e.key))
}

// scalars returns the text of a value, or the texts of a list.
func scalars(node *yaml.Node) ([]string, error) {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	var texts []string
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return nil, errors.New("it takes a value, or a list of values")
		}
		texts = append(texts, n.Value)
	}
	return texts, nil
}

func (f file) fault(line int, err error) error {
	return fmt.Errorf("%s:%d: %w", f.path, line, err)
}
