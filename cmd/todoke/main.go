// Command todoke is the server and its tools: serve, pub, sub, version. Run it with --help.
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the second one has its usual effect: it ends the process at once.
	context.AfterFunc(ctx, stop)
	t := terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
	os.Exit(run(ctx, t, os.Args[1:]))
}
