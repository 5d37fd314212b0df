// Command todoke is the server and its tools: serve, pub, sub, bench, version. Run it with --help.
//
// Exit codes: 0 done; 1 it failed; 2 the command line, the environment or the configuration is wrong.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // until the first signal, or the end of the process
		<-signals
		// First, so that whoever sees us stopping can be sure: the second signal has its usual effect and ends the process at once.
		signal.Stop(signals)
		cancel()
	}()
	t := terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
	os.Exit(run(ctx, t, os.Args[1:]))
}
