package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

func clusterCommand(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:     "cluster",
		Short:   "Look at the nodes that share a log",
		Long:    "Look at the nodes that share a log.",
		Example: "  todoke cluster status",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(clusterStatusCommand(t))
	return c
}

func clusterStatusCommand(t terminal) *cobra.Command {
	var server connection
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "List the nodes",
		Long: `List the nodes on the server's log, as the node that answers knows them; a star marks it. One that ended without a word
is listed for up to 10 s.`,
		Example: `  todoke cluster status
  todoke cluster status --url http://10.0.0.7:7070 --json | jq -r '.nodes[].address'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			made, err := server.client(t)
			if err != nil {
				return err
			}
			self, nodes, err := made.Nodes(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(t.out).Encode(frame.NodesOf(self, nodes))
			}
			return printNodes(t.out, self, nodes, time.Now())
		},
	}
	server.add(c.Flags(), t)
	c.Flags().BoolVar(&asJSON, "json", false, "print what the server answers")
	return c
}

// printNodes writes a table.
func printNodes(w io.Writer, self string, nodes []todoke.Node, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tADDRESS\tVERSION\tUP\tREADERS\tSTATE")
	for _, n := range nodes {
		name, state := n.ID, "serving"
		if n.ID == self {
			name += "*"
		}
		if n.Draining {
			state = "draining"
		}
		up := max(0, now.Sub(n.Started)).Truncate(time.Second)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", harmless(name), harmless(orDash(n.Address)), harmless(orDash(n.Version)), up, n.Readers, state)
	}
	return table.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
