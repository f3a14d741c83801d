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

// rest is how long an address that was just found down is left alone: however
// many calls there are, it is dialled some twenty times a second.
const rest = 50 * time.Millisecond

// redialer makes up for a habit of the client library: after as many failed
// dials as its pool has places, it fails every call without a dial and tries
// but once a second, so that a server that is back is not used for a second and
// more. A dial that fails is therefore no error here: the connection that comes
// back is dead from the start, and the first thing done with it tells why.
type redialer struct {
	dial dialFunc

	mu   sync.Mutex
	down map[string]failure // by address, the latest
}

type failure struct {
	err error
	at  time.Time
}

func newRedialer(dial dialFunc) *redialer {
	return &redialer{dial: dial, down: map[string]failure{}}
}

// connect is a Dialer of the client library.
func (r *redialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := r.resting(addr); err != nil {
		return stillborn{err}, nil
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

func (r *redialer) resting(addr string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.down[addr]; ok && time.Since(f.at) < rest {
		return f.err
	}
	return nil
}

func (r *redialer) remember(addr string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[addr] = failure{err: err, at: time.Now()}
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
	return stillborn{err}, nil
}

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
