package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServerOptions say how to serve. Name, Addr and Handler are needed.
type ServerOptions struct {
	Name    string // in errors and logs
	Addr    string // host:port; port 0 takes a free one
	Handler http.Handler

	ReadHeaderTimeout time.Duration // 0 is 5 s
	ReadTimeout       time.Duration // 0 is 30 s
	WriteTimeout      time.Duration // 0 is 60 s
	IdleTimeout       time.Duration // 0 is 2 min
	DrainTimeout      time.Duration // for running requests, once stopped; 0 is 30 s

	// OnStop is called when it begins to drain, for handlers that would answer
	// for ever, such as event streams; nil is nothing.
	OnStop func()
	Logger *slog.Logger // nil is silent
}

// Server is an HTTP server that binds before it serves, so that a port that is
// taken is an error of the start and not of a goroutine.
type Server struct {
	name     string
	http     *http.Server
	listener net.Listener
	drain    time.Duration
	logger   *slog.Logger
}

const maxHeaderBytes = 32 << 10

// Listen binds and returns a server that is ready to Run.
func Listen(ctx context.Context, o ServerOptions) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler:           o.Handler,
		ReadHeaderTimeout: orDefault(o.ReadHeaderTimeout, 5*time.Second),
		ReadTimeout:       orDefault(o.ReadTimeout, 30*time.Second),
		WriteTimeout:      orDefault(o.WriteTimeout, 60*time.Second),
		IdleTimeout:       orDefault(o.IdleTimeout, 2*time.Minute),
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	if o.OnStop != nil {
		server.RegisterOnShutdown(o.OnStop)
	}
	return &Server{name: o.Name, http: server, listener: listener, drain: orDefault(o.DrainTimeout, 30*time.Second), logger: logger}, nil
}

func orDefault(d, standard time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return standard
}

// Addr is where it listens, with the port that it got.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx is cancelled, then takes no new connections and lets the
// running requests finish. Those that have not by DrainTimeout are cut off,
// which is an error.
func (s *Server) Run(ctx context.Context) error {
	s.logger.InfoContext(ctx, "listening", "server", s.name, "addr", s.Addr())
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("%s: %w", s.name, err)
	case <-ctx.Done():
	}
	err := s.shutdown(ctx)
	if failure := <-served; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (s *Server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), s.http.Close())
	}
	return nil
}

// Close gives the port back when Run was never called; after Run it does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}
