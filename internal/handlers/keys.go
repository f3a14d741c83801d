package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// minSecret is the shortest secret of a key, in bytes.
const minSecret = 16

// Key is an API key: whose it is, and the hash of its secret.
type Key struct {
	Caller
	hash [sha256.Size]byte
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ParseKeys reads API keys, each of the form
//
//	name:secret
//	name:secret:scope+scope+tenant=ID+user=ID
//	name:sha256=HEX:…            the secret's SHA-256 in place of the secret
//
// Without scopes a key may add and read jobs, and read queues unless it is bound
// to a tenant or a user. A tenant or user without a name is a mistake, and not a
// key that is bound to nobody. A secret has 16 bytes or more and no colon. Every
// mistake is reported, without the secret.
func ParseKeys(texts []string) ([]Key, error) {
	var keys []Key
	var problems []error
	names := map[string]bool{}
	for i, text := range texts {
		key, err := parseKey(text)
		if err == nil && names[key.Name] {
			err = errors.New("has the name of another key")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("API key %d: %w", i+1, err))
			continue
		}
		names[key.Name] = true
		keys = append(keys, key)
	}
	return keys, errors.Join(problems...)
}

func parseKey(text string) (Key, error) {
	name, rest, found := strings.Cut(strings.TrimSpace(text), ":")
	if !found || !keyName.MatchString(name) {
		return Key{}, errors.New("must be name:secret, or name:secret:scopes")
	}
	secret, scopes, _ := strings.Cut(rest, ":")
	hash, err := hashOf(secret)
	if err != nil {
		return Key{}, err
	}
	caller, err := parseScopes(name, scopes)
	return Key{Caller: caller, hash: hash}, err
}

func hashOf(secret string) (hash [sha256.Size]byte, err error) {
	if digits, hashed := strings.CutPrefix(secret, "sha256="); hashed {
		raw, err := hex.DecodeString(digits)
		if err != nil || len(raw) != len(hash) {
			return hash, errors.New("has a hash that is not 64 hexadecimal digits")
		}
		return [sha256.Size]byte(raw), nil
	}
	if len(secret) < minSecret {
		return hash, fmt.Errorf("has a secret of less than %d bytes", minSecret)
	}
	return sha256.Sum256([]byte(secret)), nil
}

func parseScopes(name, text string) (Caller, error) {
	c := Caller{Name: name}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("+| ", r) }) {
		key, value, _ := strings.Cut(word, "=")
		switch bind := map[string]*string{"tenant": &c.TenantID, "user": &c.UserID}[key]; {
		case bind == nil:
			c.Scopes = append(c.Scopes, Scope(word))
		case value == "" || *bind != "":
			return c, fmt.Errorf("must name one %s, as %s=ID", key, key)
		default:
			*bind = value
		}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []Scope{WriteJobs, ReadJobs}
		if !c.bound() {
			c.Scopes = append(c.Scopes, ReadQueues)
		}
	}
	return c, c.check()
}

// find returns the caller whose secret was sent. It compares with every key and
// takes as long whichever fits.
func find(keys []Key, secret string) (Caller, bool) {
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range keys {
		if subtle.ConstantTimeCompare(keys[i].hash[:], hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Caller{}, false
	}
	return keys[found].Caller, true
}
