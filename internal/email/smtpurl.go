package email

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TLSMode says how a connection to the SMTP server is encrypted.
type TLSMode string

// The modes. Implicit is what smtps:// means; the others are for smtp://.
const (
	TLSMandatory TLSMode = "mandatory" // STARTTLS, or no mail
	TLSStartTLS  TLSMode = "starttls"  // STARTTLS when the server offers it
	TLSNone      TLSMode = "none"      // in the clear
	TLSImplicit  TLSMode = "implicit"  // TLS from the first byte
)

// Server is where mails are handed over, and how.
type Server struct {
	Host     string
	Port     int
	Username string
	Password string
	TLS      TLSMode

	Timeout     time.Duration // for connecting with all its steps, and for each step after
	Final       time.Duration // for the reply to a mail that the server has whole; Timeout if that is longer
	Idle        time.Duration // how long an unused connection is kept; 0 keeps none
	MaxMessages int           // mails sent over one connection
	MaxConns    int           // connections at a time
	Helo        string        // how we introduce ourselves; empty is the host's name
}

// Defaults for what the URL does not say.
const (
	defaultTimeout     = 10 * time.Second
	defaultFinal       = 10 * time.Minute // RFC 5321, 4.5.3.2.6
	defaultIdle        = 30 * time.Second
	defaultMaxMessages = 100
	defaultMaxConns    = 5
)

// ParseServer reads an address such as
//
//	smtp://user:pass@mail.example.com:587?tls=mandatory&timeout=10s
//	smtps://user:pass@mail.example.com
//
// with the parameters tls (mandatory, starttls, none; for smtp:// only),
// timeout, final, idle, messages, connections and helo, named as Server's fields.
// Without tls, loopback is starttls and everything else mandatory. The port is
// 465 for smtps, 25 for tls=none, otherwise 587. Credentials do not travel in
// the clear beyond loopback. Errors do not repeat the URL, which has a password.
func ParseServer(raw string) (Server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Server{}, errors.New("smtp url: cannot be parsed; percent-encode special characters of the password")
	}
	if u.Scheme != "smtp" && u.Scheme != "smtps" {
		return Server{}, errors.New("smtp url: must start with smtp:// or smtps://")
	}
	if u.Hostname() == "" {
		return Server{}, errors.New("smtp url: has no host")
	}
	if strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return Server{}, errors.New("smtp url: must not have a path; percent-encode / and # in the password")
	}
	s := Server{Host: u.Hostname()}
	s.Username = u.User.Username()
	s.Password, _ = u.User.Password()
	if err := s.readParameters(u); err != nil {
		return Server{}, fmt.Errorf("smtp url: %w", err)
	}
	return s, s.check()
}

func (s *Server) readParameters(u *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the parameters cannot be parsed")
	}
	for name := range q {
		if !slices.Contains([]string{"tls", "timeout", "final", "idle", "messages", "connections", "helo"}, name) {
			return fmt.Errorf("unknown parameter %q", name)
		}
	}
	s.TLS, err = tlsMode(u.Scheme, q.Get("tls"), s.Host)
	p := parameters{values: q, err: err}
	s.Timeout = p.duration("timeout", defaultTimeout)
	s.Final = p.duration("final", defaultFinal)
	s.Idle = p.duration("idle", defaultIdle)
	s.MaxMessages = p.number("messages", defaultMaxMessages)
	s.MaxConns = p.number("connections", defaultMaxConns)
	s.Helo = q.Get("helo")
	s.Port = p.port(u.Port(), s.TLS)
	return p.err
}

func tlsMode(scheme, mode, host string) (TLSMode, error) {
	if scheme == "smtps" {
		if mode != "" {
			return "", errors.New("tls: smtps:// is encrypted from the start; leave it out")
		}
		return TLSImplicit, nil
	}
	switch TLSMode(mode) {
	case TLSMandatory, TLSStartTLS, TLSNone:
		return TLSMode(mode), nil
	case "":
		if loopback(host) {
			return TLSStartTLS, nil
		}
		return TLSMandatory, nil
	default:
		return "", errors.New("tls: must be mandatory, starttls or none")
	}
}

func (s *Server) check() error {
	switch {
	case s.Username == "" && s.Password != "":
		return errors.New("smtp url: has a password but no user name")
	case s.Username != "" && s.TLS == TLSNone && !loopback(s.Host):
		return errors.New("smtp url: tls=none would send the password in the clear")
	case s.Timeout <= 0:
		return errors.New("smtp url: timeout: must be positive")
	case strings.ContainsFunc(s.Helo, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errors.New("smtp url: helo: must be a host name")
	}
	return nil
}

// parameters reads values and keeps the first error.
type parameters struct {
	values url.Values
	err    error
}

func (p *parameters) fail(name, reason string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %s", name, reason)
	}
}

func (p *parameters) duration(name string, unset time.Duration) time.Duration {
	if !p.values.Has(name) {
		return unset
	}
	d, err := time.ParseDuration(p.values.Get(name))
	if err != nil || d < 0 {
		p.fail(name, "must be a duration like 10s")
	}
	return d
}

func (p *parameters) number(name string, unset int) int {
	if !p.values.Has(name) {
		return unset
	}
	n, err := strconv.Atoi(p.values.Get(name))
	if err != nil || n < 1 || n > 10_000 {
		p.fail(name, "must be a number from 1 to 10000")
	}
	return n
}

func (p *parameters) port(given string, mode TLSMode) int {
	switch {
	case given != "":
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > 65535 {
			p.fail("port", "must be from 1 to 65535")
		}
		return n
	case mode == TLSImplicit:
		return 465
	case mode == TLSNone:
		return 25
	default:
		return 587
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
