package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/front"
	"github.com/todoke-dev/todoke/transport/evented"
)

// Bounds on what a client may do to a connection before a handler sees it.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute // of a connection between two requests
	maxHeaderBytes    = 64 << 10
)

// A Server is one process of todoke. Its life: New, Listen, Run; or, step by step, New, Listen, Serve, Shutdown.
type Server struct {
	config  Config
	log     *slog.Logger
	hub     *todoke.Hub
	http    *http.Server
	pool    *evented.Pool // nil: every link is a goroutine
	fronts  []*front.Front
	reserve *reserve
	base    context.Context // of all requests
	admin   *http.Server    // nil: none
	tidying sync.WaitGroup
	// stopTidying ends tidyMemory, which runs beside the pool.
	stopTidying context.CancelFunc
	inflight    inflight
	stopping    atomic.Bool
	cut         context.CancelFunc // ends the contexts of all requests

	mu        sync.Mutex
	listeners []net.Listener

	stop    sync.Once
	stopped error
}

// New checks config and makes a server that does not listen yet. It holds a hub: end it with Run or Shutdown. The
// error says which setting is wrong and what to do; without credentials and without Config.Dev it is ErrNoCredentials.
func New(config Config) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	s := &Server{config: config, log: config.logger()}
	options := config.hubOptions(s.log)
	var err error
	if options.Engine, err = config.engine(s.log); err != nil {
		return nil, err
	}
	hub, err := todoke.New(options)
	if err != nil {
		return nil, fmt.Errorf("making the hub: %w", err)
	}
	s.hub = hub
	if err := s.startPool(); err != nil {
		return nil, errors.Join(err, hub.Close())
	}
	handler, err := s.routes()
	if err != nil {
		s.closePool()
		return nil, errors.Join(err, hub.Close())
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // RFC 9113 §3.3: for proxies and clients that know it to be there
	base, cut := context.WithCancel(context.Background())
	s.base, s.cut, s.reserve = base, cut, newReserve(s.log)
	s.http = &http.Server{
		Handler: handler, Protocols: &protocols,
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: evented.ConnContext,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // broken handshakes and the like: the clients' affair
	}
	s.admin = s.newAdmin()
	return s, nil
}

// startPool starts the workers of evented links, where they are wanted and the system has them.
func (s *Server) startPool() error {
	if s.config.Links != LinksEvented {
		return nil
	}
	pool, err := evented.NewPool(s.hub, evented.Options{Logger: s.log})
	if errors.Is(err, errors.ErrUnsupported) {
		s.log.Debug("this system has no evented links; each connection is a goroutine")
		return nil
	}
	if err != nil {
		return err
	}
	s.pool = pool
	ctx, cancel := context.WithCancel(context.Background())
	s.stopTidying = cancel
	s.tidying.Go(func() { s.tidyMemory(ctx) })
	return nil
}

func (s *Server) closePool() {
	if s.pool == nil {
		return
	}
	s.stopTidying()
	s.tidying.Wait()
	s.pool.Close()
}

func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // checked when it was set; else info
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// version is that of the program's main module.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}

func (c Config) hubOptions(log *slog.Logger) todoke.Options {
	o := todoke.Options{Version: version(), Namespace: c.Namespace.options(), Namespaces: map[string]todoke.Namespace{}, Logger: log}
	for name, namespace := range c.Namespaces {
		o.Namespaces[name] = namespace.options()
	}
	if c.Dev {
		o.Authorizer = todoke.AllowAll
	}
	return o
}

// Hub returns the server's hub, for programs that publish in process.
func (s *Server) Hub() *todoke.Hub { return s.hub }

// Listen opens the port; connections wait until Serve. It may be left out: Run does it.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners != nil {
		return nil
	}
	listeners, err := listen(s.config.Listen)
	if err != nil {
		return err
	}
	if err := s.listenAdmin(); err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return err
	}
	for i, l := range listeners {
		if listeners[i], err = s.inFront(l); err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return err
		}
	}
	s.listeners = listeners
	return s.hub.Announce(s.url())
}

// URL is where the server is reached; "" before Listen.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url()
}

// url is URL with s.mu held.
func (s *Server) url() string {
	if len(s.listeners) == 0 {
		return ""
	}
	host, _, _ := net.SplitHostPort(s.config.Listen)
	_, port, _ := net.SplitHostPort(s.listeners[0].Addr().String())
	return "http://" + net.JoinHostPort(host, port)
}

// Serve answers requests until Shutdown, and then returns nil at once: it is Shutdown that waits.
func (s *Server) Serve() error {
	if err := s.Listen(); err != nil {
		return err
	}
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	s.announce()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- s.http.Serve(l) }() // ends when the listener is closed
	}
	var failed error
	for range listeners {
		err := <-ended
		if !errors.Is(err, http.ErrServerClosed) {
			failed = errors.Join(failed, err)
			s.http.Close() // the other listener is of no use alone
		}
	}
	return failed
}

// announce tells the operator where the server is, and in development mode what that means.
func (s *Server) announce() {
	if s.config.Dev {
		s.log.Warn("DEVELOPMENT MODE: no authentication; every program on this machine may read and publish everything")
	}
	s.log.Info("listening", "url", s.URL(), "listen", strings.Join(s.addresses(), " "))
}

func (s *Server) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, l := range s.listeners {
		all = append(all, l.Addr().String())
	}
	return all
}

// Run listens and serves until ctx ends, then stops gracefully. It returns nil after a stop that cut nobody.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }() // ends with Shutdown
	select {
	case err := <-served:
		return errors.Join(err, s.Shutdown())
	case <-ctx.Done():
	}
	return errors.Join(s.Shutdown(), <-served)
}
