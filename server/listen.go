package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// listen opens the port. localhost is two addresses, and clients differ in which they try first, or at all: so it
// listens on both. Otherwise another program could take the free one and be believed to be us.
func listen(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(host, "localhost") {
		one, err := listenTCP("tcp", address)
		if err != nil {
			return nil, explain(address, err)
		}
		return []net.Listener{one}, nil
	}
	four, err := listenTCP("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, explain(address, err)
	}
	_, port, _ = net.SplitHostPort(four.Addr().String()) // where port 0 led to
	six, err := listenTCP("tcp6", net.JoinHostPort("::1", port))
	switch {
	case err == nil:
		return []net.Listener{four, six}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		four.Close()
		return nil, explain(address, err)
	default:
		return []net.Listener{four}, nil // a machine without IPv6
	}
}

// listenTCP listens without TCP keep-alives, whose setting is four system calls for each connection: streams send keep-alives of
// their own, and what is idle between two requests is closed.
func listenTCP(network, address string) (net.Listener, error) {
	plain := net.ListenConfig{KeepAlive: -1}
	return plain.Listen(context.Background(), network, address)
}

func explain(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use, perhaps by another todoke; stop that, or choose a port with --listen localhost:PORT: %w", address, err)
	}
	return fmt.Errorf("listening on %s: %w", address, err)
}
