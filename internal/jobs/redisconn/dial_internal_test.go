package redisconn

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

var errRefused = errors.New("connection refused")

// switchable is a server in memory that can be down.
type switchable struct {
	up    atomic.Bool
	dials atomic.Int64
}

func (s *switchable) dial(context.Context, string, string) (net.Conn, error) {
	s.dials.Add(1)
	if !s.up.Load() {
		return nil, errRefused
	}
	ours, theirs := net.Pipe()
	go answer(theirs)
	return patient{ours}, nil
}

// patient knows no deadlines: the client library reckons them with a clock that
// is not the bubble's.
type patient struct{ net.Conn }

func (patient) SetDeadline(time.Time) error      { return nil }
func (patient) SetReadDeadline(time.Time) error  { return nil }
func (patient) SetWriteDeadline(time.Time) error { return nil }

// answer says to every command that all is well, and that it knows no HELLO.
func answer(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	replies := map[string]string{"hello": "-ERR unknown command\r\n", "ping": "+PONG\r\n"}
	for lines.Scan() {
		reply, ok := replies[strings.ToLower(lines.Text())]
		if !ok {
			continue // a length, or an argument
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

func openDown(t *testing.T, o Options) (*switchable, *Conn) {
	t.Helper()
	server := &switchable{}
	o.Dial = server.dial
	conn, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return server, conn
}

// outage has as many calls fail as would make the client library give up
// dialling for a second at a time.
func outage(t *testing.T, client redis.UniversalClient, calls int) {
	t.Helper()
	for range calls {
		if err := client.Ping(t.Context()).Err(); !errors.Is(err, errRefused) {
			t.Fatalf("ping of a server that is down: %v, wanted the dial's error", err)
		}
		time.Sleep(rest) // of the bubble's time
	}
}

func TestAServerThatIsBackIsUsedAtOnce(t *testing.T) {
	clients := map[string]func(*Conn) redis.UniversalClient{
		"calls": func(c *Conn) redis.UniversalClient { return c },
		"waits": func(c *Conn) redis.UniversalClient { return c.Dedicated("", time.Second) },
	}
	for name, clientOf := range clients {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, conn := openDown(t, Options{URL: "redis://127.0.0.1:1", PoolSize: 4})
				defer conn.Close()
				client := clientOf(conn)
				defer client.Close()
				outage(t, client, 20)
				server.up.Store(true)
				if err := client.Ping(t.Context()).Err(); err != nil {
					t.Errorf("the first ping after the outage: %v", err)
				}
			})
		})
	}
}

// The first of many callers that come while the address rests dials; and whoever
// asks after the server is back is not answered with what was before.
func TestACallDuringTheRestWaitsForAnAnswerOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, conn := openDown(t, Options{URL: "redis://127.0.0.1:1", PoolSize: 4})
		defer conn.Close()
		outage(t, conn, 1)
		if err := conn.Ping(t.Context()).Err(); !errors.Is(err, errRefused) {
			t.Fatal(err)
		}
		server.up.Store(true) // a moment after the latest dial has failed
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Errorf("ping of a server that is up: %v", err)
		}
	})
}

func TestAServerThatIsDownIsNotStormed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, conn := openDown(t, Options{URL: "redis://127.0.0.1:1", PoolSize: 50})
		defer conn.Close()
		began := time.Now()
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				for time.Since(began) < time.Second { // of the bubble's time
					if err := conn.Ping(t.Context()).Err(); !errors.Is(err, errRefused) {
						t.Error(err)
						return
					}
				}
			})
		}
		callers.Wait()
		// The first 50 find out at the same moment.
		if n := server.dials.Load(); n < 10 || n > 50+25 {
			t.Errorf("%d dials in a second, wanted one each %s", n, rest)
		}
	})
}

func TestADialThatNobodyWaitsForLeavesNothingInThePool(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newRedialer(func(context.Context, string, string) (net.Conn, error) {
		cancel()
		return nil, context.Canceled
	})
	if conn, err := r.connect(ctx, "tcp", "there:1"); !errors.Is(err, context.Canceled) || conn != nil {
		t.Errorf("connect: %v, %v", conn, err)
	}
	if wait, err := r.claim("there:1", time.Now()); wait > 0 || err != nil {
		t.Errorf("the server is blamed: wait %s, %v", wait, err)
	}
}

// Whoever calls can tell that nothing was sent.
func TestAFailedDialIsKnownAsOne(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := refusing.Addr().String()
	refusing.Close()
	stranger := httptest.NewTLSServer(nil) // with a certificate that nobody knows
	defer stranger.Close()
	for name, url := range map[string]string{
		"connection refused":  "redis://" + closed,
		"unknown certificate": "rediss://" + stranger.Listener.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := Open(Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = conn.Ping(t.Context()).Err()
			if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
				t.Errorf("%T %v, wanted the error of a dial", err, err)
			}
			if strings.Count(err.Error(), "dial") != 1 {
				t.Errorf("%v: says it twice", err)
			}
		})
	}
}

func TestSentinelsThatAreBackAreAskedAtOnce(t *testing.T) {
	silent := func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }
	connect := sentinelsDown{}.DialHook(silent)
	conn, err := connect(t.Context(), "tcp", "main")
	if err != nil {
		t.Fatalf("connect: %v, which the pool would count", err)
	}
	if _, err := conn.Write(nil); !errors.Is(err, errRefused) {
		t.Errorf("write: %v, wanted the dial's error", err)
	}
}
