package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

// A sub is what the command line of sub says.
type sub struct {
	connection
	t         terminal
	transport string
	since     string
	output    string
	count     int
}

func subCommand(t terminal) *cobra.Command {
	s := &sub{t: t}
	cmd := &cobra.Command{
		Use:   "sub CHANNEL…",
		Short: "Print messages as they come",
		Long: `Print the messages of channels and patterns as they come. When the connection is cut, sub connects again and goes
on where it was, so that nothing is lost or printed twice. Messages that the server no longer has are told
on stderr, as a gap. Ctrl-C ends it and tells how to go on later.

A pattern is a channel's name in which * stands for one segment, and ** at the end for one or more: 'room:*',
'sensor:**'. Mind the quotes.

--since says where to start:
  now          with what is published from now on (the default)
  earliest     with the oldest message that is kept
  last=10      with the newest ten
  90s          with what was published in the last 90 seconds
  snapshot     with the conflated state
  k3f9-1207    after that position, of whatever transport

--output says how to print:
  human        position, channel, event and data; a line each, safe for a terminal
  raw          the data as it was published, and a newline
  jsonl        the message objects of docs/protocol.md, one per line`,
		Example: `  todoke sub demo
  todoke sub 'room:*' news --since earliest
  todoke sub demo --transport websocket --output jsonl | jq .data
  todoke sub demo --since last=1 --count 1 --output raw`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("which channel? Write: todoke sub CHANNEL")
			}
			for _, channel := range args {
				if err := todoke.ValidatePattern(channel); err != nil {
					return err
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	s.add(flags, t)
	flags.StringVar(&s.transport, "transport", "auto", "auto, poll, longpoll, sse, websocket or session")
	flags.StringVar(&s.since, "since", "now", "where to start")
	flags.StringVar(&s.output, "output", "human", "human, raw or jsonl")
	flags.IntVar(&s.count, "count", 0, "stop after so many messages (default: never)")
	flags.SortFlags = false
	return cmd
}

func (s *sub) run(ctx context.Context, channels []string) error {
	print, err := printerOf(s.output)
	if err != nil {
		return err
	}
	since, err := todoke.ParseSince(s.since)
	if err != nil {
		return usageError{err}
	}
	if s.count < 0 {
		return usagef("--count: it cannot be negative")
	}
	c, err := s.client(s.t)
	if err != nil {
		return err
	}
	stream, err := c.Subscribe(ctx, client.SubscribeOptions{Channels: channels, Since: since, Transport: client.Transport(s.transport)})
	if errors.Is(err, todoke.CodeInvalidParameter) {
		return usageError{err}
	}
	if ctx.Err() != nil {
		return nil // it was stopped before it began
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	err = s.follow(ctx, stream, print)
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		fmt.Fprintf(s.t.err, "todoke: stopped at %s; go on with: %s\n", stream.Position(), resumeCommand(s, channels, stream.Position()))
		return nil
	}
	return err
}

// follow prints until s.count messages came, ctx ends, or the stream fails.
func (s *sub) follow(ctx context.Context, stream *client.Stream, print printer) error {
	// The buffer joins what one read has; a line that is complete is not held back: the stream itself does not wait
	// for the next event before it gives the last.
	out := bufio.NewWriterSize(s.t.out, 64<<10)
	printed := 0
	for event, err := range stream.Events(ctx) {
		if err != nil {
			return err
		}
		if g := event.Gap; g != nil {
			fmt.Fprintln(s.t.err, harmless("todoke: "+describeGap(*g)))
		}
		if event.Message == nil {
			continue
		}
		if err := print(out, event.Message); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		if printed++; printed == s.count {
			return nil
		}
	}
	return nil
}

func describeGap(g todoke.Gap) string {
	what := "are no longer kept"
	if g.Possible {
		what = "may have been there, and are no longer kept"
	}
	return fmt.Sprintf("gap: messages of %s from %s to %s %s", g.Channel, g.From, g.To, what)
}

// resumeCommand is the command line that goes on at p.
func resumeCommand(s *sub, channels []string, p todoke.Position) string {
	words := []string{"todoke", "sub"}
	for _, channel := range channels {
		if todoke.IsPattern(channel) {
			channel = "'" + channel + "'"
		}
		words = append(words, channel)
	}
	words = append(words, "--since", p.String())
	if s.url != s.t.lookup("TODOKE_URL", defaultURL) {
		words = append(words, "--url", s.url)
	}
	if s.output != "human" {
		words = append(words, "--output", s.output)
	}
	if s.transport != "auto" {
		words = append(words, "--transport", s.transport)
	}
	return strings.Join(words, " ")
}
