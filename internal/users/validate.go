package users

import (
	_ "embed"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tandemq/tandem/internal/jobs"
)

// Limits on what is signed up with, in characters.
const (
	maxName     = 200
	minPassword = 8
	maxPassword = 128
)

// check returns the registration as it is stored: the name without space
// around it, the address lower-cased, the password as it is. The error joins
// one jobs.ErrInvalid for each field that is wrong.
func (s *Service) check(r Registration) (Registration, error) {
	name := strings.TrimSpace(r.Name)
	address, addressErr := s.opts.Address("email", strings.TrimSpace(r.Email))
	address = strings.ToLower(address)
	err := errors.Join(checkName(name), addressErr, checkPassword(r.Password, name, address))
	return Registration{Name: name, Email: address, Password: r.Password}, err
}

func checkName(name string) error {
	switch length := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name):
		return jobs.Invalid("name", "must be valid UTF-8")
	case length == 0:
		return jobs.Invalid("name", "is required")
	case length > maxName:
		return jobs.Invalid("name", "must have at most %d characters", maxName)
	case strings.ContainsFunc(name, unfitForName):
		return jobs.Invalid("name", "must not contain control characters")
	case strings.Contains(name, "://"):
		// The name greets in a mail to an address that is not proven yet, which
		// would be a way to send links to strangers.
		return jobs.Invalid("name", "must not contain a link")
	}
	return nil
}

// unfitForName finds control characters, line and paragraph separators, and
// what turns the direction of the text around it.
func unfitForName(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// checkPassword never repeats the password.
func checkPassword(password, name, address string) error {
	switch length := utf8.RuneCountInString(password); {
	case length < minPassword:
		return jobs.Invalid("password", "must have at least %d characters", minPassword)
	case length > maxPassword:
		return jobs.Invalid("password", "must have at most %d characters", maxPassword)
	case isCommon(password):
		return jobs.Invalid("password", "is one of the passwords that are tried first")
	case isPersonal(password, name, address):
		return jobs.Invalid("password", "must not be the name or the address")
	}
	return nil
}

func isPersonal(password, name, address string) bool {
	local, _, _ := strings.Cut(address, "@")
	return strings.EqualFold(password, name) || strings.EqualFold(password, address) || strings.EqualFold(password, local)
}

// commonPasswords has one of the commonest passwords, or a word that they
// begin with, a line, lower-cased.
//
//go:embed common_passwords.txt
var commonPasswords string

// maxDecoration is how many digits and signs at the end are taken for
// decoration: Password123! is no better than password.
const maxDecoration = 5

// isCommon compares without case, with and without decoration. It reads the
// list line by line, which costs nothing beside the hash.
func isCommon(password string) bool {
	lower := strings.ToLower(password)
	stem := strings.TrimRightFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	if len(lower)-len(stem) > maxDecoration {
		stem = lower
	}
	for line := range strings.Lines(commonPasswords) {
		common := strings.TrimSpace(line)
		if lower == common || stem == common {
			return true
		}
	}
	return sameThroughout(lower)
}

// sameThroughout finds aaaaaaaa.
func sameThroughout(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return strings.Trim(text, string(first)) == ""
}
