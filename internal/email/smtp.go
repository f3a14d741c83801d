package email

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"sync"
	"time"
)

// errClosed: Deliver was called after Close.
var errClosed = errors.New("smtp: closed")

// SMTP hands mails to a server over few connections that it keeps for a while.
// It is safe for concurrent use; each delivery has a connection to itself, and
// a delivery more than there may be connections waits for one.
type SMTP struct {
	server Server
	tls    *tls.Config
	slots  chan struct{} // one for each connection in use

	mu      sync.Mutex
	idle    []*connection // the one used last is last
	closed  bool
	pending sync.WaitGroup // expiry timers that have not run
}

// NewSMTP connects to nothing before the first mail. The TLS configuration may
// add certificate authorities; nil trusts those of the system.
func NewSMTP(s Server, config *tls.Config) *SMTP {
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	config.ServerName = s.Host
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return &SMTP{server: s, tls: config, slots: make(chan struct{}, max(1, s.MaxConns))}
}

// Deliver sends one mail from and to a bare address. It ends when ctx does. A
// mail is offered a second time, on a new connection, only when a kept one
// turns out to have died before the server answered.
func (s *SMTP) Deliver(ctx context.Context, from, to string, content io.WriterTo) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.isClosed() {
		return errClosed
	}
	if kept := s.take(); kept != nil {
		err := s.use(ctx, kept, from, to, content)
		if !stale(err) || ctx.Err() != nil {
			return err
		}
	}
	fresh, err := dial(ctx, s.server, s.tls)
	if err != nil {
		return err
	}
	return s.use(ctx, fresh, from, to, content)
}

func stale(err error) bool {
	failure, ok := errors.AsType[*deliveryError](err)
	return ok && failure.stale()
}

func (s *SMTP) use(ctx context.Context, c *connection, from, to string, content io.WriterTo) error {
	err := c.deliver(ctx, from, to, content)
	if !s.keep(c) {
		c.quit()
	}
	return err
}

// take returns the connection that was used last, or nil. Its timer may have
// gone off meanwhile: expire then finds that it is no longer idle.
func (s *SMTP) take() *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	last := len(s.idle) - 1
	c := s.idle[last]
	s.idle = slices.Delete(s.idle, last, last+1)
	s.disarm(c)
	return c
}

// keep makes c idle, and reports false when it is to be ended instead.
func (s *SMTP) keep(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.broken || s.closed || s.server.Idle <= 0 || c.sent >= s.server.MaxMessages {
		return false
	}
	s.idle = append(s.idle, c)
	s.pending.Add(1)
	c.expiry = time.AfterFunc(s.server.Idle, func() { s.expire(c) })
	return true
}

// disarm stops the timer of an idle connection; the caller holds mu.
func (s *SMTP) disarm(c *connection) {
	if c.expiry.Stop() {
		s.pending.Done()
	}
}

// expire ends a connection that nobody used for Server.Idle.
func (s *SMTP) expire(c *connection) {
	defer s.pending.Done()
	if s.remove(c) {
		c.quit()
	}
}

func (s *SMTP) remove(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.idle, c)
	if i < 0 {
		return false
	}
	s.idle = slices.Delete(s.idle, i, i+1)
	return true
}

// Close ends the idle connections and waits for that. A delivery that is under
// way finishes, and ends its connection then; later ones are refused.
func (s *SMTP) Close() {
	for _, c := range s.close() {
		c.quit()
	}
	s.pending.Wait()
}

func (s *SMTP) close() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.idle
	s.idle, s.closed = nil, true
	for _, c := range idle {
		s.disarm(c)
	}
	return idle
}

func (s *SMTP) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
