package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/todoke-dev/todoke/engine/nats"
)

// leastPeers is how many nodes go on without one of them.
const leastPeers = 3

// cluster reads the settings of nodes that keep the log together. The zero Cluster: this one keeps it alone.
func (c Config) cluster() (nats.Cluster, error) {
	var none nats.Cluster
	if c.ClusterListen == "" && len(c.ClusterPeers) == 0 {
		if c.ClusterName != "" || c.ClusterSecret != "" {
			return none, errors.New("cluster_peers: there are none; name the host:port of all nodes of the cluster, or leave cluster_name and cluster_secret out")
		}
		return none, nil
	}
	switch {
	case c.Engine != "nats":
		return none, errors.New("cluster_listen: nodes keep the log together with --engine nats --data DIR; with another engine leave the cluster's settings out")
	case c.ClusterListen == "":
		return none, errors.New("cluster_listen: say the host:port where this node waits for its peers")
	case len(c.ClusterPeers) == 0:
		return none, errors.New("cluster_peers: name the host:port of all nodes of the cluster, this one among them")
	}
	local := true
	for i, address := range append([]string{c.ClusterListen}, c.ClusterPeers...) {
		key := "cluster_peers"
		if i == 0 {
			key = "cluster_listen"
		}
		host, err := clusterHost(address)
		switch {
		case err != nil:
			return none, fmt.Errorf("%s: %w", key, err)
		case i > 0 && slices.Contains(c.ClusterPeers[:i-1], address):
			return none, fmt.Errorf("%s: %s stands there twice", key, address)
		}
		local = local && isLoopback(host)
	}
	if n := len(c.ClusterPeers); n < leastPeers {
		return none, fmt.Errorf("cluster_peers: %d nodes cannot go on without one of them, for it takes a majority; name three or more, or leave the cluster out", n)
	}
	if c.ClusterSecret == "" && !local {
		return none, errors.New("cluster_secret: whoever reaches the nodes' port could read and write the log; give all nodes the same long random word, best as TODOKE_CLUSTER_SECRET")
	}
	name := c.ClusterName
	if name == "" {
		name = clusterName(c.ClusterListen)
	}
	return nats.Cluster{Name: name, Listen: c.ClusterListen, Peers: c.ClusterPeers, Secret: c.ClusterSecret}, nil
}

// clusterHost returns the host of an address of a peer.
func clusterHost(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", fmt.Errorf("%q is not host:port; write something like 10.0.0.7:6222", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q: the port is a number from 1 to 65535", address)
	}
	return host, nil
}

// clusterName is the name of a node that was given none: where it listens, or the machine's where that is everywhere.
func clusterName(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if machine, err := os.Hostname(); err == nil {
			host = machine
		}
	}
	return strings.NewReplacer(":", "-", "%", "-").Replace(host) + "-" + port
}

// A secretText is a word that String does not tell.
type secretText struct{ value[string] }

func newSecret(field *string) Value { return secretText{newOptionalText(field).(value[string])} }

// String is xxxxx, or nothing where there is none.
func (s secretText) String() string {
	if *s.field == "" {
		return ""
	}
	return "xxxxx"
}

// Secret is the word, to be handed on and not printed.
func (s secretText) Secret() string { return *s.field }
