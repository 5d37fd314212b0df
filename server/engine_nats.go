package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// envelopeBytes is room for what a message has beside its data.
const envelopeBytes = 64 << 10

// natsEngine makes the engine on a directory, or on NATS servers.
func natsEngine(c Config, log *slog.Logger) (todoke.Engine, error) {
	o, err := parseNATS(c.Engine)
	if err != nil {
		return nil, err
	}
	o.Logger, o.Dir = log, c.Data
	if o.Cluster, err = c.cluster(); err != nil {
		return nil, err
	}
	switch {
	case o.URL != "" && c.Data != "":
		return nil, errors.New("data: with an address the log lives on the NATS servers; leave data out, or say --engine nats to keep it here")
	case o.URL == "" && c.Data == "":
		return nil, errors.New("data: --engine nats keeps the log in a directory: add --data DIR, or name NATS servers of your own as in --engine nats://host:4222")
	}
	largest := c.MaxMessageBytes
	for _, namespace := range c.Namespaces {
		largest = max(largest, namespace.MaxMessageBytes)
	}
	o.MaxPayload = max(8<<20, largest+envelopeBytes)
	if o.URL == "" && o.MaxPayload > 64<<20 {
		return nil, fmt.Errorf("max_message_bytes: NATS takes messages of at most 64 MiB with their headers, and %d are asked for", largest)
	}
	return nats.New(o), nil
}

// parseNATS reads nats, nats://host:4222, and nats://user:password@host1:4222,host2:4222/prefix?replicas=3&creds=FILE&ca=FILE&system=NAME.
func parseNATS(text string) (o nats.Options, err error) {
	if text == "nats" {
		return o, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return o, errors.New("it is not an address; write nats://host:4222, or several as in nats://host1:4222,host2:4222")
	}
	var servers []string
	for host := range strings.SplitSeq(u.Host, ",") {
		servers = append(servers, (&url.URL{Scheme: u.Scheme, User: u.User, Host: host}).String())
	}
	o.URL = strings.Join(servers, ",")
	o.Prefix = strings.Trim(u.Path, "/")
	for name, values := range u.Query() {
		if len(values) != 1 {
			return o, fmt.Errorf("%s stands %d times", name, len(values))
		}
		switch text := values[0]; name {
		case "replicas":
			if o.Replicas, err = strconv.Atoi(text); err != nil || o.Replicas < 1 {
				return o, fmt.Errorf("replicas=%s: it is 1, 3 or 5", text)
			}
		case "creds":
			o.Connect = append(o.Connect, natsgo.UserCredentials(text))
		case "ca":
			o.Connect = append(o.Connect, natsgo.RootCAs(text))
		case "system":
			o.System = text
		default:
			return o, fmt.Errorf("%q is no option of an address; there are replicas, creds, ca and system", name)
		}
	}
	return o, nil
}
