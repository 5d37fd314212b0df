package server

import (
	"fmt"
	"maps"
	"slices"
)

// Sources are where a Config comes from. Each is asked only for what the ones before do not say: Flags, then
// Env, then File, then Defaults.
type Sources struct {
	// Flags are settings by flag name (retain-age), as given on the command line.
	Flags map[string]string
	// Env looks up an environment variable, as os.LookupEnv does. Nil: there are none. A variable that is set and
	// empty counts as not set.
	Env func(name string) (value string, found bool)
	// File is the path of a YAML file. "": there is none.
	File string
}

// Load makes a Config. The error names the source (the file's line, the variable, the flag), what is wrong, and what may
// stand there. It does not look at how the settings fit together: New does.
func Load(from Sources) (Config, error) {
	c := Defaults()
	var f file
	if from.File != "" {
		var err error
		if f, err = readFile(from.File); err != nil {
			return Config{}, err
		}
	}
	if err := f.apply(&c); err != nil {
		return Config{}, err
	}
	if err := applyEnv(&c, from.Env); err != nil {
		return Config{}, err
	}
	if err := applyFlags(&c, from.Flags); err != nil {
		return Config{}, err
	}
	// Last, for a namespace begins as what the top is in the end.
	return c, f.applyNamespaces(&c)
}

func applyEnv(c *Config, lookup func(string) (string, bool)) error {
	if lookup == nil {
		return nil
	}
	for _, s := range c.Settings() {
		text, found := lookup(s.Env())
		if !found || text == "" {
			continue
		}
		if err := s.Value.Set(text); err != nil {
			return fmt.Errorf("environment variable %s: %w", s.Env(), err)
		}
	}
	return nil
}

func applyFlags(c *Config, flags map[string]string) error {
	byFlag := map[string]Setting{}
	for _, s := range c.Settings() {
		byFlag[s.Flag()] = s
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		s, ok := byFlag[name]
		if !ok {
			return fmt.Errorf("flag --%s is not known", name)
		}
		if err := s.Value.Set(flags[name]); err != nil {
			return fmt.Errorf("flag --%s: %w", name, err)
		}
	}
	return nil
}
