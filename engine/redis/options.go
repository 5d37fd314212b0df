package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// Defaults of Options.
const (
	DefaultPrefix      = "todoke"
	DefaultCluster     = "todoke"
	DefaultLogMessages = 1_000_000
	DefaultLogBytes    = 128 << 20
)

// Options are the options of a Redis engine. Only URL is required.
type Options struct {
	// URL says where Redis is:
	//
	//	redis://user:password@host:6379/0       one server; rediss:// with TLS
	//	unix:///run/redis/redis.sock?db=0       one server on this machine
	//	redis://sentinel1:26379/0?addr=sentinel2:26379&addr=sentinel3:26379&master_set=main
	//
	// With master_set the addresses are those of Sentinels; user, password and database are the server's. The
	// parameters prefix and cluster are those below.
	URL string
	// Prefix begins the names of all keys: {Prefix}:… with the braces, so that they lie in one hash slot. "": todoke.
	Prefix string
	// Cluster names the todoke cluster that the log belongs to. Nodes with another name are refused, so that two clusters
	// do not mix on one prefix. "": todoke.
	Cluster string
	// IdempotencyWindow is how long an idempotency key is remembered. 0: 5 minutes. Negative: not at all.
	IdempotencyWindow time.Duration
	// LogMessages and LogBytes bound the stream that nodes tail: how far a node may fall behind before it has to read
	// channels again. Up to an eighth more is kept. 0: a million, and 128 MiB.
	LogMessages int
	LogBytes    int
	// Logger gets warnings: that the server's configuration loses acknowledged messages, that the log was lost. Nil:
	// slog.Default().
	Logger *slog.Logger
}

// resolve checks the options and fills in what was left out.
func (o Options) resolve() (Options, rueidis.ClientOption, error) {
	client, err := o.parseURL()
	if err != nil {
		return o, client, err
	}
	for _, part := range []struct {
		name  string
		value *string
		other string
	}{{"prefix", &o.Prefix, DefaultPrefix}, {"cluster", &o.Cluster, DefaultCluster}} {
		if *part.value == "" {
			*part.value = part.other
		}
		if !isName(*part.value) {
			return o, client, fmt.Errorf("redis: the %s %q has to be 1 to 64 of the letters, digits and .-_~", part.name, *part.value)
		}
	}
	switch {
	case o.IdempotencyWindow == 0:
		o.IdempotencyWindow = todoke.DefaultIdempotencyWindow
	case o.IdempotencyWindow > 0 && o.IdempotencyWindow < time.Millisecond:
		o.IdempotencyWindow = time.Millisecond
	}
	if o.LogMessages <= 0 {
		o.LogMessages = DefaultLogMessages
	}
	if o.LogBytes <= 0 {
		o.LogBytes = DefaultLogBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, client, nil
}

// parseURL reads URL. Its errors do not repeat it: it may hold a password.
func (o *Options) parseURL() (rueidis.ClientOption, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return rueidis.ClientOption{}, errors.New("redis: the URL cannot be read; write redis://user:password@host:6379/0, with what is special in a password as %XX")
	}
	switch u.Scheme {
	case "redis", "rediss", "valkey", "valkeys":
		if u.Host == "" {
			return rueidis.ClientOption{}, errors.New("redis: the URL has no host; write redis://host:6379")
		}
	case "unix":
		if u.Path == "" || u.Host != "" {
			return rueidis.ClientOption{}, errors.New("redis: the URL has no path; write unix:///run/redis/redis.sock")
		}
	default:
		return rueidis.ClientOption{}, fmt.Errorf("redis: the URL begins with %q; write redis://host:6379, rediss:// for TLS, or unix:///path", u.Scheme)
	}
	q := u.Query()
	for name, values := range q {
		switch name {
		case "prefix":
			o.Prefix = values[0]
		case "cluster":
			o.Cluster = values[0]
		case "db", "addr", "master_set", "dial_timeout", "write_timeout", "client_name":
			continue
		default:
			return rueidis.ClientOption{}, fmt.Errorf("redis: the URL's parameter %q is not known; there are prefix, cluster, db, addr, master_set, dial_timeout, write_timeout, client_name", name)
		}
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	if u.Path == "/" {
		u.Path = ""
	}
	client, err := rueidis.ParseURL(u.String())
	if err != nil {
		return client, err // names the part that is wrong only
	}
	client.ForceSingleClient = true // one log has one counter: see inspect, which refuses Redis Cluster
	client.DisableRetry = true      // what to do again is ours to decide
	client.DisableCache = true
	if client.ClientName == "" {
		client.ClientName = "todoke"
	}
	if client.Dialer.Timeout == 0 {
		client.Dialer.Timeout = 5 * time.Second
	}
	if client.ConnWriteTimeout == 0 {
		client.ConnWriteTimeout = 5 * time.Second
	}
	// A switch of the primary that was missed would leave us at the old one for good.
	if client.Sentinel.MasterSet != "" {
		client.Sentinel.TopologyRefreshInterval = 5 * time.Second
	} else if len(client.InitAddress) > 1 {
		return client, errors.New("redis: several addresses are for Sentinel: add master_set=NAME")
	}
	return client, nil
}

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_~", r))
	}) < 0
}
