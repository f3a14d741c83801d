package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// keepAlive finds a peer that went away without a word while nothing is asked
// of it, within half a minute. What is asked has a deadline of its own: a call
// CallTimeout, a wait the time it blocks and 2 s.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// overNetwork dials with these limits, and shakes hands when there is a TLS
// configuration. The server's name is the address's unless that one says.
func overNetwork(timeout time.Duration, secure *tls.Config) dialFunc {
	plain := &net.Dialer{Timeout: timeout, KeepAliveConfig: keepAlive}
	if secure == nil {
		return plain.DialContext
	}
	return (&tls.Dialer{NetDialer: plain, Config: secure}).DialContext
}

// rest is the time between two dials of an address that is down: however many
// calls there are, it is dialled some twenty times a second.
const rest = 50 * time.Millisecond

// redialer makes up for a habit of the client library: after as many failed
// dials as its pool has places, it fails every call without a dial and tries
// but once a second, so that a server that is back is not used for a second and
// more. A dial that fails is therefore no error here: the connection that comes
// back is dead from the start, and the first thing done with it tells why.
//
// Whoever comes while an address rests waits for its end, and then dials or
// hears of the dial that another has made since: never an answer older than the
// question.
type redialer struct {
	dial dialFunc

	mu   sync.Mutex
	down map[string]*trouble // by address
}

type trouble struct {
	err    error     // of the latest dial that failed
	failed time.Time // when it did
	next   time.Time // no dial before
}

func newRedialer(dial dialFunc) *redialer {
	return &redialer{dial: dial, down: map[string]*trouble{}}
}

// connect is a Dialer of the client library.
func (r *redialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := r.turn(ctx, addr); err != nil {
		return orStillborn(ctx, err)
	}
	conn, err := r.dial(ctx, network, addr)
	if err == nil {
		r.forget(addr)
		return conn, nil
	}
	if !givenUp(ctx) {
		r.remember(addr, err)
	}
	return orStillborn(ctx, err)
}

// turn waits until the caller may dial. The error is that of a dial that failed
// since the call began, or ctx's.
func (r *redialer) turn(ctx context.Context, addr string) error {
	began := time.Now()
	for {
		wait, err := r.claim(addr, began)
		if err != nil || wait <= 0 {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// claim makes the caller the one who dials next, or says how long to wait.
func (r *redialer) claim(addr string, began time.Time) (wait time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, down := r.down[addr]
	switch now := time.Now(); {
	case !down:
		return 0, nil
	case o.failed.After(began):
		return 0, o.err
	case now.Before(o.next):
		return o.next.Sub(now), nil
	default:
		o.next = now.Add(rest)
		return 0, nil
	}
}

func (r *redialer) remember(addr string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.down[addr] = &trouble{err: err, failed: now, next: now.Add(rest)}
}

func (r *redialer) forget(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.down, addr)
}

// givenUp: the caller has left, and says nothing about the server.
func givenUp(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// orStillborn keeps the error when nobody waits for the connection, which would
// otherwise lie in the pool.
func orStillborn(ctx context.Context, err error) (net.Conn, error) {
	if givenUp(ctx) {
		return nil, err
	}
	return stillborn{dialError{dialing(err)}}, nil
}

// dialing makes any error of a dial, that of a TLS handshake too, one of net's:
// nothing was sent, and whoever reads it must be able to tell.
func dialing(err error) *net.OpError {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return op
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

// dialError keeps a dial's error whole: the client library takes one layer off
// what the first thing done with a connection fails with.
type dialError struct{ *net.OpError }

func (e dialError) Unwrap() error { return e.OpError }

// stillborn is a connection that could not be made.
type stillborn struct{ err error }

func (s stillborn) Read([]byte) (int, error)         { return 0, s.err }
func (s stillborn) Write([]byte) (int, error)        { return 0, s.err }
func (s stillborn) Close() error                     { return nil }
func (s stillborn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s stillborn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s stillborn) SetDeadline(time.Time) error      { return s.err }
func (s stillborn) SetReadDeadline(time.Time) error  { return s.err }
func (s stillborn) SetWriteDeadline(time.Time) error { return s.err }

// SyscallConn fails: that is how the pool finds out, should it ever have kept
// one, and throws it away.
func (s stillborn) SyscallConn() (syscall.RawConn, error) { return nil, s.err }
