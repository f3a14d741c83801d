package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"time"

	mail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// errTimeout is why connecting was given up that took longer than Server.Timeout.
var errTimeout = errors.New("smtp server did not answer in time")

// connection is one SMTP session, ready for its next mail. One goroutine at a
// time uses it.
type connection struct {
	client  *smtp.Client
	wire    net.Conn // below TLS: closing it frees whatever waits for the server
	timeout time.Duration
	final   time.Duration // the timeout of the reply to a whole mail

	sent   int         // mails that went over it
	broken bool        // not fit for another
	expiry *time.Timer // ends it while it is idle
}

// dial connects, encrypts and signs in, all within the server's timeout.
func dial(ctx context.Context, s Server, config *tls.Config) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, errTimeout)
	defer cancel()
	wire, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return nil, &deliveryError{stage: stageConnect, err: because(ctx, err)}
	}
	release := hangUpWhenDone(ctx, wire)
	client, err := open(ctx, s, config, wire)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = wire.Close() // the error above says more than one of closing could
		return nil, &deliveryError{stage: stageConnect, err: because(ctx, err)}
	}
	return &connection{client: client, wire: wire, timeout: s.Timeout, final: max(s.Timeout, s.Final)}, nil
}

// hangUpWhenDone closes the wire when ctx ends, which frees a goroutine that
// waits for the server. The function returned ends that, and reports false when
// it has happened.
func hangUpWhenDone(ctx context.Context, wire net.Conn) (release func() bool) {
	return context.AfterFunc(ctx, func() { _ = wire.Close() })
}

// because puts the reason of a cancelled context before what it did to the wire.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// open speaks SMTP over the wire up to where a mail can be sent.
func open(ctx context.Context, s Server, config *tls.Config, wire net.Conn) (*smtp.Client, error) {
	options := []mail.Option{
		mail.WithPort(s.Port),
		mail.WithTimeout(s.Timeout),
		mail.WithTLSConfig(config),
		mail.WithTLSPolicy(policy(s.TLS)),
		mail.WithoutSMTPUTF8(), // addresses are ASCII, whatever the server can do
		mail.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return encrypted(ctx, s.TLS, config, wire)
		}),
	}
	if s.Helo != "" {
		options = append(options, mail.WithHELO(s.Helo))
	}
	if s.Username != "" {
		options = append(options, mail.WithSMTPAuthCustom(&signIn{server: s}))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return nil, err
	}
	return client.DialToSMTPClientWithContext(ctx)
}

func policy(mode TLSMode) mail.TLSPolicy {
	switch mode {
	case TLSMandatory:
		return mail.TLSMandatory
	case TLSStartTLS:
		return mail.TLSOpportunistic
	default:
		return mail.NoTLS // none at all, or TLS below SMTP
	}
}

func encrypted(ctx context.Context, mode TLSMode, config *tls.Config, wire net.Conn) (net.Conn, error) {
	if mode != TLSImplicit {
		return wire, nil
	}
	secure := tls.Client(wire, config)
	return secure, secure.HandshakeContext(ctx)
}

// deliver sends one mail. When it returns nil the server has taken the mail,
// even if ctx ended at that moment. An error after the content leaves it open:
// the server may take the mail that we no longer wait for.
func (c *connection) deliver(ctx context.Context, from, to string, content io.WriterTo) error {
	release := hangUpWhenDone(ctx, c.wire)
	err := c.transaction(from, to, content)
	c.broken = !release()
	if err == nil {
		c.sent++
		return nil
	}
	err.err = because(ctx, err.err)
	c.broken = c.broken || !c.recover(err)
	return err
}

func (c *connection) transaction(from, to string, content io.WriterTo) *deliveryError {
	if err := c.step(c.timeout, func() error { return c.client.Mail("<" + from + ">") }); err != nil {
		return &deliveryError{stage: stageSender, err: err}
	}
	if err := c.step(c.timeout, func() error { return c.client.Rcpt("<" + to + ">") }); err != nil {
		return &deliveryError{stage: stageRecipient, err: err}
	}
	if err := c.handOver(content); err != nil {
		return &deliveryError{stage: stageContent, err: err}
	}
	return nil
}

// handOver leaves the content unfinished when it cannot be written whole:
// closing the writer would tell the server that half a mail was all of it.
func (c *connection) handOver(content io.WriterTo) error {
	var w io.WriteCloser
	err := c.step(c.timeout, func() (err error) {
		if w, err = c.client.Data(); err != nil {
			return err
		}
		_, err = content.WriteTo(w)
		return err
	})
	if err != nil {
		return err
	}
	return c.step(c.final, w.Close)
}

// step gives one exchange its time.
func (c *connection) step(timeout time.Duration, exchange func() error) error {
	if err := c.wire.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	return exchange()
}

// recover makes the connection fit for another mail after the server refused
// this one, and reports whether it is.
func (c *connection) recover(failure *deliveryError) bool {
	if reply := failure.reply(); reply == nil || reply.Code == codeGoingAway {
		return false
	}
	return c.step(c.timeout, c.client.Reset) == nil
}

// quit takes leave, and closes whatever the server says to that.
func (c *connection) quit() {
	if !c.broken && c.wire.SetDeadline(time.Now().Add(min(c.timeout, time.Second))) == nil {
		_ = c.client.Quit()
	}
	_ = c.wire.Close()
}

// The places at which a delivery can fail.
type stage string

const (
	stageConnect   stage = "connect to smtp server"
	stageSender    stage = "sender"
	stageRecipient stage = "recipient"
	stageContent   stage = "content"
)

// codeGoingAway is the reply of a server that ends the connection.
const codeGoingAway = 421

// deliveryError is a mail that was not taken.
type deliveryError struct {
	stage stage
	err   error
}

// Error shows a reply as the server wrote it; textproto would quote it.
func (e *deliveryError) Error() string {
	if reply, ok := e.err.(*textproto.Error); ok {
		return fmt.Sprintf("%s: %d %s", e.stage, reply.Code, reply.Msg)
	}
	return string(e.stage) + ": " + e.err.Error()
}

func (e *deliveryError) Unwrap() error { return e.err }

// reply is what the server answered, or nil when it did not.
func (e *deliveryError) reply() *textproto.Error {
	reply, _ := errors.AsType[*textproto.Error](e.err)
	return reply
}

// stale reports whether a connection that was kept has died meanwhile: it ended
// before the server answered anything of this mail.
func (e *deliveryError) stale() bool {
	if e.stage != stageSender {
		return false
	}
	reply := e.reply()
	return reply == nil || reply.Code == codeGoingAway
}
