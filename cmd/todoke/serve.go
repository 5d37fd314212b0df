package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/todoke-dev/todoke/server"
)

func serveCommand(t terminal) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server, until SIGTERM or SIGINT. It then stops gracefully: readers are told when to come again,
what is being published is finished, and after --stop-timeout the rest is cut. A second signal ends it at once.

Every flag is also an environment variable (--retain-age is TODOKE_RETAIN_AGE) and a key of the YAML file
given with --config or TODOKE_CONFIG (retain_age). A flag wins over the variable, the variable over the file.
The file may also say how the channels of a namespace differ (chat is the namespace of chat:42):

  dev: true
  retain_age: 1h
  namespaces:
    chat:
      retain_messages: 500
    score:
      conflation: merge

The log is kept in memory, and gone with the process, unless --engine nats --data DIR keeps it in files there, or
--engine nats://host1:4222,host2:4222 on NATS servers of your own: nats://user:password@host:4222/prefix, and then
?replicas=3, creds=FILE, ca=FILE or system=NAME, joined by &. Three nodes or more keep the log together, and go on
without one of them, with --engine nats --data DIR --cluster-listen HOST:PORT --cluster-peers A:PORT,B:PORT,C:PORT.
Redis or Valkey is --engine redis://user:password@host:6379.

While the log cannot be reached /readyz answers 503 and publishes are refused; readers keep their connections.

This version has no authentication, so it runs only with --dev: open to every program on this machine, and
reached from nowhere else.`,
		Example: `  todoke serve --dev
  todoke serve --dev --listen localhost:8080 --retain-messages 1000 --retain-bytes 16MiB --retain-age 1h
  todoke serve --dev --engine nats --data /var/lib/todoke
  todoke serve --dev --engine redis://127.0.0.1:6379
  todoke serve --dev --engine nats --data /var/lib/todoke --cluster-listen 10.0.0.1:6222 --cluster-peers 10.0.0.1:6222,10.0.0.2:6222,10.0.0.3:6222
  TODOKE_LOG_LEVEL=debug todoke serve --config todoke.yaml`,
		Args: cobra.NoArgs,
	}
	defaults := server.Defaults()
	for _, s := range defaults.Settings() {
		flag := cmd.Flags().VarPF(s.Value, s.Flag(), "", s.Usage)
		if s.Value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	cmd.Flags().StringVar(&path, "config", t.lookup("TODOKE_CONFIG", ""), "the YAML file")
	cmd.Flags().SortFlags = false
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := server.Load(server.Sources{Flags: given(cmd.Flags()), Env: t.env, File: path})
		if err != nil {
			return usageError{err}
		}
		s, err := server.New(config)
		if err != nil {
			return usageError{err}
		}
		return s.Run(cmd.Context())
	}
	return cmd
}

// given are the settings that stood on the command line.
func given(flags *pflag.FlagSet) map[string]string {
	values := map[string]string{}
	flags.Visit(func(f *pflag.Flag) {
		if f.Name == "config" {
			return
		}
		values[f.Name] = f.Value.String()
		if v, ok := f.Value.(interface{ Secret() string }); ok {
			values[f.Name] = v.Secret() // String is for printing
		}
	})
	return values
}
