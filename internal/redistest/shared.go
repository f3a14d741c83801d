package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/tandemq/tandem/internal/embedded"
)

// Provider starts a Redis when there is neither a given one nor a redis-server
// to run. It returns the server's URL and how to stop it.
type Provider func(ctx context.Context) (url string, stop func() error, err error)

// Main is for a package's TestMain. It runs the tests, ends the shared server
// and fails when goroutines were left behind. The providers are tried when no
// other real server can be had.
func Main(m *testing.M, providers ...Provider) {
	binary.providers = providers
	code := m.Run()
	if err := binary.end(); err != nil {
		fmt.Fprintln(os.Stderr, "redistest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := leaked(); err != nil {
			fmt.Fprintln(os.Stderr, "redistest: goroutines left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked looks for goroutines that stay. A client that was closed in the middle of
// dialling a network that is gone goes on until its dial has timed out.
func leaked() (err error) {
	for end := time.Now().Add(15 * time.Second); ; {
		if err = goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Shared returns the server that all tests of this binary share. It is started
// by the first that asks.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	server, err := binary.start()
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	if !server.Real {
		tb.Log("redistest: no real Redis here, so this runs on the embedded one; " + remedy)
	}
	return server
}

// Real is Shared for a test that means nothing on the embedded Redis: it is
// skipped when that is all there is.
func Real(tb testing.TB) *Server {
	tb.Helper()
	server := Shared(tb)
	if !server.Real {
		tb.Skip("redistest: skipped, this needs a real Redis; " + remedy)
	}
	return server
}

// remedy tells how to get a real server.
const remedy = "install redis-server or set TEST_REDIS_URL"

// errNoRedis: everything but the embedded Redis was tried in vain.
var errNoRedis = errors.New("no real Redis, and REDISTEST_STRICT=1 forbids the embedded one; " + remedy)

// strict reports whether the fallback to the embedded Redis is forbidden.
func strict() bool { return os.Getenv("REDISTEST_STRICT") == "1" }

// binary is what the tests of one test binary share. It is the one variable of
// the package: tests have no constructor through which it could be handed in.
var binary sharing

type sharing struct {
	providers []Provider // set before the first test runs

	mu     sync.Mutex // guards the fields below
	server *Server
	err    error
	stop   func() error
}

func (s *sharing) start() (*Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
		defer cancel()
		s.server, s.stop, s.err = find(ctx, s.providers)
	}
	return s.server, s.err
}

func (s *sharing) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return nil
	}
	stop := s.stop
	s.server, s.stop, s.err = nil, nil, errors.New("the tests are over")
	return stop()
}

// find tries the sources of a server in order.
func find(ctx context.Context, providers []Provider) (*Server, func() error, error) {
	if url := os.Getenv("TEST_REDIS_URL"); url != "" {
		server, err := at(ctx, url)
		return server, nil, err
	}
	if _, err := exec.LookPath("redis-server"); err == nil {
		return run(ctx)
	}
	for _, provide := range providers {
		url, stop, err := provide(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, "redistest:", err)
			continue
		}
		server, err := at(ctx, url)
		return server, stop, err
	}
	if strict() {
		return nil, nil, errNoRedis
	}
	return inProcess()
}

// at is the server behind url, if it answers.
func at(ctx context.Context, url string) (*Server, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("the given Redis address: %w", err)
	}
	server := &Server{Addr: options.Addr, URL: url, Real: true, options: options}
	client := redis.NewClient(server.Options())
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("the Redis at %s does not answer: %w", options.Addr, err)
	}
	return server, nil
}

// run starts a redis-server that writes no files, so that nothing is left even
// when this process is killed.
func run(ctx context.Context) (*Server, func() error, error) {
	p, err := launch(ctx, settings{dir: os.TempDir()})
	if err != nil {
		return nil, nil, err
	}
	return newServer(p.addr(), true), p.kill, nil
}

func inProcess() (*Server, func() error, error) {
	e, err := embedded.Start(embedded.Options{})
	if err != nil {
		return nil, nil, err
	}
	return newServer(e.Addr(), false), func() error { e.Close(); return nil }, nil
}

// Embedded returns an embedded Redis for this test alone.
func Embedded(tb testing.TB) *Server {
	tb.Helper()
	server, stop, err := inProcess()
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(func() {
		if err := stop(); err != nil {
			tb.Errorf("redistest: %v", err)
		}
	})
	return server
}

// Each runs test twice: on an embedded Redis and on the shared real one.
func Each(t *testing.T, test func(t *testing.T, server *Server)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, Embedded(t)) })
	t.Run("redis", func(t *testing.T) { test(t, Real(t)) })
}
