package email

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/tandemq/tandem/internal/jobs"
)

// Lengths in bytes, of RFC 5321.
const (
	maxAddress = 254
	maxLocal   = 64
)

// ParseAddress checks the bare address of one recipient and returns it as it
// goes to the server: an international domain in its ASCII form, the local part
// as it was written. The error is a jobs.ErrInvalid for the given field, and
// does not repeat the address.
//
// It is stricter than the RFC where mail systems are: no display name, no
// comment, no quoted local part, no address literal, and ASCII only before the @.
func ParseAddress(field, address string) (string, error) {
	if address == "" {
		return "", jobs.Invalid(field, "is required")
	}
	if len(address) > maxAddress {
		return "", jobs.Invalid(field, "must be at most %d bytes", maxAddress)
	}
	local, domain, ok := splitAddress(address)
	if !ok {
		return "", jobs.Invalid(field, "must be one address like name@example.com")
	}
	if len(local) > maxLocal {
		return "", jobs.Invalid(field, "has more than %d bytes before the @", maxLocal)
	}
	ascii, err := asciiDomain(domain)
	if err != nil {
		return "", jobs.Invalid(field, "has a domain that cannot exist")
	}
	if len(local)+1+len(ascii) > maxAddress {
		return "", jobs.Invalid(field, "must be at most %d bytes", maxAddress)
	}
	return local + "@" + ascii, nil
}

// splitAddress lets net/mail judge the grammar of the local part, on a domain
// that it cannot object to; the domain has rules of its own.
func splitAddress(address string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "", "", false
	}
	local, domain = address[:at], address[at+1:]
	if strings.ContainsFunc(local, notAtomic) || !utf8.ValidString(domain) || strings.ContainsFunc(domain, breaksLine) {
		return "", "", false
	}
	if isPlain(local) {
		return local, domain, true
	}
	parsed, err := mail.ParseAddress(local + "@example.com")
	return local, domain, err == nil && parsed.Address == local+"@example.com"
}

// isPlain reports whether a local part is surely good: words of letters, digits
// and _ + - with dots between them. Nearly all are, and need no closer look.
func isPlain(local string) bool {
	for word := range strings.SplitSeq(local, ".") {
		if word == "" || strings.ContainsFunc(word, notPlain) {
			return false
		}
	}
	return true
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '+' && r != '-'
}

// notAtomic is what an unquoted local part cannot hold.
func notAtomic(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r)
}

// domains says which domains there can be.
var domains = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
	idna.StrictDomainName(true), idna.VerifyDNSLength(true),
)

func asciiDomain(domain string) (string, error) {
	ascii, err := domains.ToASCII(domain)
	if err != nil {
		return "", err
	}
	if !strings.Contains(ascii, ".") || allDigits(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		return "", jobs.Invalid("domain", "must be a full name")
	}
	return ascii, nil
}

// allDigits finds the last label of an IPv4 address, and no top-level domain.
func allDigits(label string) bool { return strings.Trim(label, "0123456789") == "" }

// Mask shows whose mail it was to somebody who knows, and to nobody else:
// a***@example.com.
func Mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "***"
	}
	return address[:1] + "***" + strings.ToLower(address[at:])
}

// HashAddress is the keyed hash under which an address is recorded: equal for
// equal addresses, whatever their case, and worth nothing without the key.
func HashAddress(key []byte, address string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.ToLower(address)))
	return hex.EncodeToString(mac.Sum(nil))
}
