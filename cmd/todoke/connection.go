package main

import (
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/todoke-dev/todoke/client"
)

// defaultURL is where serve --dev listens.
const defaultURL = "http://localhost:7070"

// A connection is the flags of commands that talk to a server.
type connection struct{ url string }

func (c *connection) add(flags *pflag.FlagSet, t terminal) {
	flags.StringVar(&c.url, "url", t.lookup("TODOKE_URL", defaultURL), "the server; also TODOKE_URL")
}

// client makes the client. The token comes from the environment only: other users of a machine can read command lines.
func (c *connection) client(t terminal) (*client.Client, error) {
	log := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{ReplaceAttr: shortTime}))
	made, err := client.New(c.url, client.Options{Token: t.lookup("TODOKE_TOKEN", ""), Logger: log})
	if err != nil {
		return nil, usageError{err}
	}
	return made, nil
}

// shortTime writes the time of day only: these lines are read as they come.
func shortTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly))
	}
	return a
}
