package embedded

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// Options say where the server listens. The zero value takes a free port.
type Options struct {
	Port int // TCP port on 127.0.0.1; 0 takes a free one

	// The rest is for simulation.

	// Detached listens nowhere: connections come by Serve only.
	Detached bool

	// Clock is the server's clock, for TIME, for the ids of stream entries and for
	// expiry; nil is the machine's. As on Redis, a clock that is set forward lets
	// keys expire at once, and one that is set back lets them live longer.
	Clock func() time.Time

	// Rewrite may put another text in place of a script that a client brings; the
	// client goes on to know the script by its own hash.
	Rewrite func(script string) string

	// Watch is told of every command that a script calls, just before it runs, in
	// the order in which they take effect. It must not block or call the server.
	Watch func(command string, args []string)
}

// Server is a running embedded Redis. Close it when done.
type Server struct {
	addr   string
	mini   *miniredis.Miniredis
	below  *server.Server // what miniredis serves with
	gate   gate
	conns  *registry
	lib    *library
	expiry *expiry
	since  time.Time
	hooks  map[string]hook
	watch  func(command string, args []string)
	close  func()
}

// Start listens on the loopback interface and serves until Close.
func Start(o Options) (*Server, error) {
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("embedded redis: port %d is not between 0 and 65535", o.Port)
	}
	mini := miniredis.NewMiniRedis()
	if err := listen(mini, o); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	s := &Server{
		addr:   mini.Addr(),
		mini:   mini,
		below:  mini.Server(),
		conns:  newRegistry(),
		lib:    newLibrary(o.Rewrite),
		expiry: newExpiry(mini, o.Clock),
		since:  time.Now(),
		watch:  o.Watch,
	}
	s.close = sync.OnceFunc(s.stop)
	s.hooks = s.table()
	s.below.SetPreHook(s.intercept)
	s.expiry.start()
	return s, nil
}

func listen(mini *miniredis.Miniredis, o Options) error {
	if !o.Detached {
		return mini.StartAddr(net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	}
	first, err := mini.Dial() // this is how miniredis starts without a listener
	if err != nil {
		return err
	}
	return first.Close()
}

// Serve makes conn a client's connection, until either side closes it.
func (s *Server) Serve(conn net.Conn) { s.below.ServeConn(conn) }

// Addr is the address to dial, "127.0.0.1:6379", or "" when there is none.
func (s *Server) Addr() string { return s.addr }

// URL is the same address as clients take it: "redis://127.0.0.1:6379".
func (s *Server) URL() string { return "redis://" + s.addr }

// Banner is what to tell whoever started the process.
func (s *Server) Banner() string {
	return fmt.Sprintf("embedded Redis on %s: for development; everything is gone when the process ends", s.addr)
}

// Close drops every connection and all data, and returns when the server's
// goroutines have ended. It may be called more than once.
func (s *Server) Close() { s.close() }

func (s *Server) stop() {
	s.gate.close()
	// A client that blocks in BZPOPMIN can miss miniredis's own signal to leave,
	// so the expiry goes on nudging until everybody has left.
	s.mini.Close()
	s.expiry.stop()
}
