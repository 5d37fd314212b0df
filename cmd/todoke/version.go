package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func versionCommand(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which todoke this is",
		Long:    "Say which todoke this is: its version, the commit and the Go that it was built with.",
		Example: "  todoke version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintln(t.out, describe(info))
			return err
		},
	}
}

// describe makes a line of what the Go tool wrote into the binary.
func describe(info *debug.BuildInfo) string {
	if info == nil {
		return "todoke (built without module support)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	parts := []string{"todoke", info.Main.Version}
	if revision := settings["vcs.revision"]; revision != "" {
		commit := "commit " + revision[:min(12, len(revision))]
		if settings["vcs.modified"] == "true" {
			commit += " with changes"
		}
		parts = append(parts, commit, settings["vcs.time"])
	}
	parts = append(parts, info.GoVersion, settings["GOOS"]+"/"+settings["GOARCH"])
	return strings.Join(parts, " ")
}
