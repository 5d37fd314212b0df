package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/todoke-dev/todoke"
)

// A pub is what the command line of pub says.
type pub struct {
	connection
	t         terminal
	file      string
	whole     bool
	transport string
	headers   []string
	message   todoke.Message // all but the data
}

func pubCommand(t terminal) *cobra.Command {
	p := &pub{t: t}
	cmd := &cobra.Command{
		Use:   "pub CHANNEL [MESSAGE | -]",
		Short: "Publish messages",
		Long: `Publish a message, or each line of the input with - or --file as a message of its own; with --whole the whole
input as one. For each message its position in the log is printed.

Publishing is repeated after cuts and overload, and still happens once. With --idempotency-key K that is so across calls as
well: within five minutes the same key on the same channel publishes nothing more and prints the first position. Lines
have the keys K-1, K-2 and so on.`,
		Example: `  todoke pub demo 'hello'
  todoke pub demo '{"goal":1}' --type application/json --event scored --key match-7
  date | todoke pub demo -
  todoke pub demo --file lines.txt
  todoke pub demo --file photo.png --whole --type image/png`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("which channel? Write: todoke pub CHANNEL MESSAGE")
			case len(args) > 2:
				return usagef("%d arguments: a message with blanks goes in quotes", len(args))
			case len(args) == 2 && p.file != "":
				return usagef("a message and --file: choose one")
			case len(args) == 1 && p.file == "":
				return usagef("what shall be published? Write a message, - for the lines of the input, or --file PATH")
			}
			return todoke.ValidateChannel(args[0])
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	p.add(flags, t)
	flags.StringVar(&p.file, "file", "", "publish the lines of this file")
	flags.BoolVar(&p.whole, "whole", false, "publish the whole input as one message, binary too")
	flags.StringVar(&p.message.Event, "event", "", "the event's name")
	flags.StringVar(&p.message.Key, "key", "", "what the message is about; conflation goes by it")
	flags.StringVar(&p.message.Type, "type", "", "the media type, like application/json (default text/plain)")
	flags.DurationVar(&p.message.TTL, "ttl", 0, "for how long the message is worth delivering, like 30s (default: as long as it is kept)")
	flags.StringVar(&p.message.IdempotencyKey, "idempotency-key", "", "publish once with this key")
	flags.StringArrayVar(&p.headers, "header", nil, "a header of the message, name=value (repeat for more)")
	flags.StringVar(&p.transport, "transport", "http", "http, or session: all over one WebSocket")
	flags.SortFlags = false
	return cmd
}

func (p *pub) run(ctx context.Context, args []string) error {
	if err := p.parse(args[0]); err != nil {
		return err
	}
	publisher, err := p.publisher()
	if err != nil {
		return err
	}
	defer publisher.close()
	if len(args) == 2 && args[1] != "-" {
		return p.publishOne(ctx, publisher, []byte(args[1]))
	}
	input, size, err := p.open()
	if err != nil {
		return err
	}
	defer input.Close()
	if !p.whole {
		return p.publishLines(ctx, publisher, input, size)
	}
	data, err := io.ReadAll(io.LimitReader(input, maxInput+1))
	if err != nil {
		return fmt.Errorf("reading the input: %w", err)
	}
	if len(data) > maxInput {
		return fmt.Errorf("the input is over %d MiB, more than any server takes as one message", maxInput>>20)
	}
	return p.publishOne(ctx, publisher, data)
}

// parse looks at the flags that are more than text.
func (p *pub) parse(channel string) error {
	p.message.Channel = channel
	if p.message.TTL < 0 {
		return usagef("--ttl: it cannot be negative")
	}
	for _, header := range p.headers {
		name, value, found := strings.Cut(header, "=")
		if !found || name == "" {
			return usagef("--header %q: write name=value", header)
		}
		if p.message.Headers == nil {
			p.message.Headers = map[string]string{}
		}
		p.message.Headers[name] = value
	}
	return nil
}

func (p *pub) publisher() (publisher, error) {
	c, err := p.client(p.t)
	if err != nil {
		return nil, err
	}
	switch p.transport {
	case "http":
		return httpPublisher{c}, nil
	case "session":
		return &sessionPublisher{client: c}, nil
	}
	return nil, usagef("--transport %q: it is http or session", p.transport)
}

// open returns the input and its size, 0 where that is not known.
func (p *pub) open() (io.ReadCloser, int64, error) {
	if p.file == "" {
		return io.NopCloser(p.t.in), 0, nil
	}
	f, err := os.Open(p.file)
	if err != nil {
		return nil, 0, usageError{err}
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return f, 0, nil // a pipe perhaps
	}
	return f, info.Size(), nil
}

func (p *pub) publishOne(ctx context.Context, to publisher, data []byte) error {
	m := p.message
	m.Data = data
	results, err := to.publish(ctx, []todoke.Message{m})
	if err != nil {
		return err
	}
	return p.print(results)
}

// print writes the positions.
func (p *pub) print(results []todoke.Published) error {
	var lines strings.Builder
	for _, r := range results {
		lines.WriteString(r.Position.String())
		if r.Duplicate {
			lines.WriteString(" duplicate, first published " + r.Time.Format(time.RFC3339))
		}
		lines.WriteByte('\n')
	}
	_, err := io.WriteString(p.t.out, lines.String())
	return err
}
