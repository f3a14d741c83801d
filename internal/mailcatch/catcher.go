package mailcatch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// Options say where to listen and what to keep. The zero value listens on a
// free loopback port, takes mail from anyone and keeps the last 200.
type Options struct {
	Addr     string // host:port on loopback; empty is 127.0.0.1:0
	Keep     int    // how many mails to keep; 0 is 200
	MaxBytes int64  // the largest mail accepted; 0 is 10 MiB
	MaxTotal int64  // bytes of all mails kept; 0 is 64 MiB

	// TLS offers STARTTLS with these certificates; nil offers none.
	TLS *tls.Config
	// ImplicitTLS speaks TLS from the first byte, as smtps:// does. It needs TLS.
	ImplicitTLS bool

	// Username and Password, when set, are asked of every client (AUTH PLAIN).
	Username, Password string

	// Refuse, when set, is asked for each recipient; what it returns is the
	// answer in place of 250. Nil accepts.
	Refuse func(recipient string) *Refusal

	// Logger hears of protocol errors; nil is silent.
	Logger *slog.Logger
}

// Refusal is an SMTP reply that turns a recipient away.
type Refusal struct {
	Code int    // 4xx asks to come back later, 5xx never to
	Text string // the words after the code
}

const (
	defaultKeep     = 200
	defaultMaxBytes = 10 << 20
	defaultMaxTotal = 64 << 20
	clientPatience  = 2 * time.Minute // how long a silent client keeps its connection
)

func (o Options) withDefaults() Options {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxTotal <= 0 {
		o.MaxTotal = defaultMaxTotal
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Catcher is an SMTP server that keeps what it is sent. Its methods are safe
// for concurrent use.
type Catcher struct {
	box      *mailbox
	server   *smtp.Server
	port     *port
	listener net.Listener // port, with TLS around it when that is implicit
}

// Listen opens the port, so that Addr is known, and serves nothing before Run.
func Listen(o Options) (*Catcher, error) {
	o = o.withDefaults()
	if o.ImplicitTLS && o.TLS == nil {
		return nil, errors.New("mailcatch: implicit TLS needs a certificate")
	}
	if err := requireLoopback(o.Addr); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("mailcatch: %w", err)
	}
	box, p := newMailbox(o.Keep, o.MaxTotal), newPort(listener)
	return &Catcher{box: box, server: newServer(o, box), port: p, listener: wrapTLS(p, o)}, nil
}

func wrapTLS(l net.Listener, o Options) net.Listener {
	if o.ImplicitTLS {
		return tls.NewListener(l, o.TLS)
	}
	return l
}

// requireLoopback wants an IP, or localhost: another name could resolve to
// anything by the time it is listened on.
func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("mailcatch: address: %w", err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("mailcatch: address %q is not on loopback; mails carry sign-in links", addr)
}

func newServer(o Options, box *mailbox) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return newSession(c, o, box), nil
	}))
	s.Domain = "mailcatch.localhost"
	s.MaxMessageBytes = o.MaxBytes
	s.MaxRecipients = 100
	s.ReadTimeout = clientPatience
	s.WriteTimeout = clientPatience
	s.EnableSMTPUTF8 = true
	s.AllowInsecureAuth = true // loopback: nobody listens in
	s.ErrorLog = slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)
	if !o.ImplicitTLS {
		s.TLSConfig = o.TLS
	}
	return s
}

// Addr is host:port, where clients connect.
func (c *Catcher) Addr() string { return c.port.Addr().String() }

// Run serves until ctx is done, then closes every connection and returns nil
// once all of them have ended. It runs once.
func (c *Catcher) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(c.listener) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("mailcatch: serve: %w", err), c.drain(ctx))
	case <-ctx.Done():
	}
	err := c.Close()
	<-served // says that the listener is closed, which is what was asked for
	return errors.Join(err, c.drain(ctx))
}

// drain waits for the connections' goroutines, having hung up on all of them.
// Serve has returned by now, so no new one begins.
func (c *Catcher) drain(ctx context.Context) error {
	c.port.hangUp()
	err := c.server.Shutdown(context.WithoutCancel(ctx))
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("mailcatch: stop: %w", err)
	}
	return nil
}

// Close gives the port back. Only a Catcher that is never run needs it.
func (c *Catcher) Close() error {
	if err := c.port.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("mailcatch: close: %w", err)
	}
	return nil
}

// Mails are the mails kept, the newest first.
func (c *Catcher) Mails() []*Mail { return c.box.all() }

// Mail is the mail with this id, while it is kept.
func (c *Catcher) Mail(id int) (*Mail, bool) { return c.box.get(id) }

// Clear forgets every mail. Ids go on counting.
func (c *Catcher) Clear() { c.box.clear() }

// Wait returns the mails kept, the newest first, as soon as n were received in
// all, or the context's error.
func (c *Catcher) Wait(ctx context.Context, n int) ([]*Mail, error) {
	for {
		received, changed := c.box.watch()
		if received >= n {
			return c.box.all(), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("mailcatch: %d of %d mails received: %w", received, n, context.Cause(ctx))
		}
	}
}
