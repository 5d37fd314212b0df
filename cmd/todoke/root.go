package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/todoke-dev/todoke"
)

// The exit codes.
const (
	exitDone    = 0
	exitFailure = 1
	exitUsage   = 2
)

// A terminal is what a command reads from and writes to.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
}

// lookup returns an environment variable, or the fallback where it is not set or empty.
func (t terminal) lookup(name, fallback string) string {
	if value, _ := t.env(name); value != "" {
		return value
	}
	return fallback
}

// A usageError is the caller's: the command line, the environment or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the program: it returns the exit code.
func run(ctx context.Context, t terminal, args []string) int {
	running := false
	root := &cobra.Command{
		Use:   "todoke",
		Short: "Realtime delivery: publish once, read over anything",
		Long: `todoke delivers messages in real time: publish once, and every reader gets it, in order and
without loss, by polling, long polling, Server-Sent Events or WebSocket.

Exit codes: 0 done; 1 it failed; 2 the command line, the environment or the configuration is wrong.`,
		Example: `  todoke serve --dev            # in one terminal
  todoke sub demo               # in another
  todoke pub demo 'hello'       # in a third`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// What fails before this is the command line.
		PersistentPreRun: func(*cobra.Command, []string) { running = true },
	}
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.AddCommand(serveCommand(t), pubCommand(t), subCommand(t), benchCommand(t), clusterCommand(t), versionCommand(t))
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(t.err, harmless("todoke: "+explain(err))) // part of it may be a server's text
	if _, usage := errors.AsType[usageError](err); usage || !running {
		fmt.Fprintf(t.err, "See %s --help\n", command.CommandPath())
		return exitUsage
	}
	return exitFailure
}

// explain is err for a person: what the server or the library advises comes first, without its code.
func explain(err error) string {
	e, ok := errors.AsType[*todoke.Error](err)
	if !ok || e.Hint == "" {
		return err.Error()
	}
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Hint)
	if e.Err != nil {
		b.WriteString("\nbecause: " + strings.ReplaceAll(e.Err.Error(), "\n", "; "))
	}
	return b.String()
}
