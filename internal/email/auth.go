package email

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// errNoMechanism: the server and we share no way to sign in.
var errNoMechanism = errors.New("server offers no way to sign in that can be used here")

// signIn picks the best mechanism that the server offers when it is known,
// which is after the connection was encrypted. It serves one connection.
type signIn struct {
	server Server
	chosen smtp.Auth
}

var _ smtp.Auth = (*signIn)(nil)

// Start never sends the password as it is over an open line: PLAIN and LOGIN
// see to that themselves, on any host but loopback.
func (a *signIn) Start(info *smtp.ServerInfo) (string, []byte, error) {
	user, password := a.server.Username, a.server.Password
	switch {
	case slices.Contains(info.Auth, "SCRAM-SHA-256"):
		a.chosen = smtp.ScramSHA256Auth(user, password)
	case slices.Contains(info.Auth, "PLAIN"):
		a.chosen = smtp.PlainAuth("", user, password, a.server.Host, false)
	case slices.Contains(info.Auth, "LOGIN"):
		a.chosen = smtp.LoginAuth(user, password, a.server.Host, false)
	default:
		return "", nil, errNoMechanism
	}
	return a.chosen.Start(info)
}

func (a *signIn) Next(challenge []byte, more bool) ([]byte, error) {
	return a.chosen.Next(challenge, more)
}
