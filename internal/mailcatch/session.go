package mailcatch

import (
	"crypto/subtle"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is one client's connection, as go-smtp drives it: sign in, then any
// number of envelopes.
type session struct {
	conn *smtp.Conn
	o    Options
	box  *mailbox

	user string // who signed in
	from string
	to   []string
}

var _ smtp.AuthSession = (*session)(nil)

func newSession(c *smtp.Conn, o Options, box *mailbox) *session {
	return &session{conn: c, o: o, box: box}
}

func (s *session) AuthMechanisms() []string {
	if s.o.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if !same(username, s.o.Username) || !same(password, s.o.Password) {
			return smtp.ErrAuthFailed
		}
		s.user = username
		return nil
	}), nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.o.Username != "" && s.user == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.o.Refuse != nil {
		if r := s.o.Refuse(to); r != nil {
			return &smtp.SMTPError{Code: r.Code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: r.Text}
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := parse(raw)
	m.ReceivedAt = time.Now().UTC()
	m.From, m.To = s.from, slices.Clone(s.to)
	m.User = s.user
	_, m.TLS = s.conn.TLSConnectionState()
	s.box.add(m)
	return nil
}

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error { return nil }
