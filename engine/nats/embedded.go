package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// An embedded is the NATS server within this process.
type embedded struct {
	server *natsserver.Server
	log    *serverLog
	word   string // that a client has to know; "": none is asked for, and only this process gets in
}

// options are those of a client in this process.
func (s *embedded) options() []nats.Option {
	options := []nats.Option{nats.InProcessServer(s.server)}
	if s.word != "" {
		options = append(options, nats.Token(s.word))
	}
	return options
}

// startEmbedded takes the directory and starts the server on it. doubt, if not "", is why what was acknowledged may be gone.
func (e *Engine) startEmbedded(ctx context.Context) (doubt string, err error) {
	if e.data, doubt, err = enter(e.o); err != nil {
		return "", err
	}
	options, err := e.o.server()
	if err != nil {
		return "", err
	}
	server, err := natsserver.NewServer(options)
	if err != nil {
		return "", fmt.Errorf("the embedded NATS server: %w", err)
	}
	log := &serverLog{log: e.o.Logger}
	server.SetLoggerV2(log, false, false, false)
	e.embedded = &embedded{server, log, options.Authorization}
	server.Start()
	for !server.ReadyForConnections(50 * time.Millisecond) {
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("the embedded NATS server: %w; %s", context.Cause(ctx), log.last())
		case !server.Running():
			return "", fmt.Errorf("the embedded NATS server stopped: %s", log.last())
		}
	}
	if !server.JetStreamEnabled() {
		return "", fmt.Errorf("the embedded NATS server cannot use %s: %s", e.o.Dir, log.last())
	}
	return doubt, nil
}

// server makes the options of nats-server.
func (o Options) server() (*natsserver.Options, error) {
	options := &natsserver.Options{
		ServerName: "todoke", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: o.Dir, SyncInterval: o.SyncInterval, SyncAlways: o.SyncInterval < 0,
		MaxPayload: int32(o.MaxPayload),
		// One system's batches, from all its nodes: more than the 50 that a server takes by default.
		JetStreamLimits: natsserver.JSLimitOpts{MaxBatchInflightPerStream: 1000},
	}
	if o.SyncInterval < 0 {
		options.SyncInterval = 0
	}
	if len(o.Cluster.Peers) > 0 {
		if err := o.Cluster.server(options, o.System); err != nil {
			return nil, err
		}
	}
	if o.Server != nil {
		o.Server(options)
	}
	return options, nil
}

func (c Cluster) server(options *natsserver.Options, system string) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	options.ServerName = c.Name
	// A server that listens to no clients never talks to its peers either (StartRouting waits for it), so it listens on this
	// machine, for those who know a word that only this process knows.
	options.DontListen, options.Host, options.Port = false, "127.0.0.1", natsserver.RANDOM_PORT
	options.Authorization = nuid.Next() + nuid.Next()
	options.Cluster.Name = "todoke-" + system // servers of another name are refused
	options.Cluster.Host = host
	if options.Cluster.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("the cluster's address %q: %w", c.Listen, err)
	}
	var user *url.Userinfo
	if c.Secret != "" {
		options.Cluster.Username, options.Cluster.Password = "todoke", c.Secret
		user = url.UserPassword("todoke", c.Secret)
	}
	for _, peer := range c.Peers {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: peer, User: user})
	}
	return nil
}

// stop ends the server; nil is no server.
func (s *embedded) stop() {
	if s == nil {
		return
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// complaints are what the server found wrong since it started.
func (s *embedded) complaints() string {
	if s == nil {
		return "no server"
	}
	return s.log.last()
}

// A serverLog hands on what the server logs, and remembers the last complaints for the errors that follow from them.
type serverLog struct {
	log *slog.Logger

	mu         sync.Mutex
	complaints []string
}

func (l *serverLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}
func (l *serverLog) Warnf(format string, v ...any)   { l.complain(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.complain(slog.LevelError, format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.complain(slog.LevelError, format, v) }

func (l *serverLog) say(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats-server: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

func (l *serverLog) complain(level slog.Level, format string, v []any) {
	l.say(level, format, v)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complaints = append(l.complaints, strings.TrimSpace(fmt.Sprintf(format, v...)))
	if len(l.complaints) > 3 {
		l.complaints = l.complaints[1:]
	}
}

// last is what the server complained of last.
func (l *serverLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.complaints) == 0 {
		return "it says nothing more"
	}
	return strings.Join(l.complaints, "; ")
}

var errInUse = errors.New("another process uses it")
