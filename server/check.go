package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// ErrNoCredentials is why a server that is not in development mode does not start.
var ErrNoCredentials = errors.New("no credentials are configured, so nobody could be let in, and nobody is let in without: " +
	"this version has no authentication yet. For development on this machine run: todoke serve --dev")

// check looks at what no single setting can tell. The errors say what to do.
func (c Config) check() error {
	if !c.Dev {
		return ErrNoCredentials
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q is not host:port; write something like localhost:7070", c.Listen)
	}
	if !isLoopback(host) {
		return fmt.Errorf("listen: with --dev everybody who reaches the server may read and publish everything, so it listens on this "+
			"machine only; %q is not localhost, 127.0.0.1 or [::1]", c.Listen)
	}
	if err := c.checkAdmin(); err != nil {
		return err
	}
	for _, origin := range c.AllowOrigin {
		if err := checkOrigin(origin); err != nil {
			return fmt.Errorf("allow_origin: %w", err)
		}
	}
	return nil
}

// checkAdmin: profiles tell what is in the process's memory, and nobody is asked for credentials there.
func (c Config) checkAdmin() error {
	if c.AdminListen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.AdminListen)
	if err != nil || !isLoopback(host) {
		return fmt.Errorf("admin_listen: %q is not host:port on this machine; write something like localhost:7071", c.AdminListen)
	}
	return nil
}

// isLoopback reports whether host, without brackets and port, names this machine and nothing else, without asking a resolver:
// localhost never leaves the machine (RFC 6761 §6.3).
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkOrigin takes an origin as browsers send it (RFC 6454 §6.2), and "*".
func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%q is not an origin; write scheme and host as in https://app.example.com, without a slash at the end", origin)
	}
	return nil
}
