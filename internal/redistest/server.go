package redistest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds every wait of this package: longer than the slowest machine
// needs, short enough that a hanging test says where it hangs.
const patience = 30 * time.Second

// Server is a Redis that answers at Addr.
type Server struct {
	Addr string // "127.0.0.1:21234"
	URL  string // "redis://127.0.0.1:21234"
	Real bool   // false for the embedded Redis

	options *redis.Options
}

func newServer(addr string, real bool) *Server {
	return &Server{Addr: addr, URL: "redis://" + addr, Real: real, options: &redis.Options{Addr: addr}}
}

// at is the same server reached through another address.
func (s *Server) at(addr string) *Server {
	options := *s.options
	options.Addr = addr
	return &Server{Addr: addr, URL: strings.Replace(s.URL, s.Addr, addr, 1), Real: s.Real, options: &options}
}

// Options are go-redis options as production uses them: nothing is resent
// behind the caller's back, and contexts count.
func (s *Server) Options() *redis.Options {
	o := *s.options
	o.Protocol = 2
	o.MaxRetries = -1
	o.ContextTimeoutEnabled = true
	return &o
}

// Client returns a client that is closed when the test ends.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	client := redis.NewClient(s.Options())
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Errorf("redistest: close client: %v", err)
		}
	})
	return client
}

// Prefix returns a key prefix that no other test uses. Whatever has it anywhere
// in its key is deleted when the test ends.
func (s *Server) Prefix(tb testing.TB) string {
	tb.Helper()
	prefix := newPrefix(tb.Name())
	tb.Cleanup(func() {
		client := redis.NewClient(s.Options())
		defer client.Close()
		deleteKeys(tb, client, prefix)
	})
	return prefix
}

// newPrefix keeps enough of the test's name to recognise its keys in a dump.
func newPrefix(test string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, test)
	if len(name) > 40 {
		name = name[len(name)-40:]
	}
	return strings.Trim(name, "-") + "-" + strings.ToLower(rand.Text()[:10])
}

// deleteKeys removes the keys that contain part from one server.
func deleteKeys(tb testing.TB, client redis.UniversalClient, part string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var cursor uint64
	for {
		keys, next, err := client.Scan(ctx, cursor, "*"+part+"*", 1000).Result()
		if err != nil {
			tb.Errorf("redistest: look for keys of %s: %v", part, err)
			return
		}
		if len(keys) > 0 {
			if err := client.Unlink(ctx, keys...).Err(); err != nil {
				tb.Errorf("redistest: delete keys of %s: %v", part, err)
				return
			}
		}
		if cursor = next; cursor == 0 {
			return
		}
	}
}
