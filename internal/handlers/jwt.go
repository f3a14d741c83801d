package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// JWT says which bearer tokens are accepted. A token names its caller as sub,
// its scopes as scope (with spaces between them), and may be bound by tenant and
// user. It needs an expiry. A bound that is empty is no bound, and the token is
// refused.
type JWT struct {
	Key      string // a secret of 32 bytes or more (HS256), or a public key in PEM
	Issuer   string // the iss that is needed
	Audience string // the aud that is needed
}

type claims struct {
	jwt.RegisteredClaims
	Scope    string  `json:"scope"`
	TenantID binding `json:"tenant"`
	UserID   binding `json:"user"`
}

// binding is a claim that binds its caller; one that a token does not have is "".
type binding string

// UnmarshalJSON refuses a claim that is there and names nobody: without a bound,
// its caller would see the jobs of everybody.
func (b *binding) UnmarshalJSON(text []byte) error {
	var id string
	if err := json.Unmarshal(text, &id); err != nil {
		return err
	}
	if id == "" {
		return errors.New("a claim that binds its caller is empty")
	}
	*b = binding(id)
	return nil
}

// tokens checks bearer tokens. A nil one accepts none.
type tokens struct {
	key    any
	parser *jwt.Parser
}

// newTokens reads the key. Its kind decides the algorithms, so that a public key
// is never taken for a secret.
func newTokens(o JWT, now func() time.Time) (*tokens, error) {
	if o.Key == "" {
		return nil, nil
	}
	if o.Issuer == "" || o.Audience == "" {
		return nil, errors.New("bearer tokens need an issuer and an audience")
	}
	key, methods, err := readKey(o.Key)
	if err != nil {
		return nil, err
	}
	return &tokens{key: key, parser: jwt.NewParser(
		jwt.WithValidMethods(methods), jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(now), jwt.WithLeeway(10*time.Second))}, nil
}

// CheckJWTKey says whether a text can be the Key of a JWT.
func CheckJWTKey(text string) error {
	_, _, err := readKey(text)
	return err
}

func readKey(text string) (key any, methods []string, err error) {
	pem := []byte(text)
	if !strings.Contains(text, "-----BEGIN") {
		if len(text) < 32 {
			return nil, nil, errors.New("the secret for bearer tokens has less than 32 bytes")
		}
		return pem, []string{"HS256"}, nil
	}
	if rsa, err := jwt.ParseRSAPublicKeyFromPEM(pem); err == nil {
		return rsa, []string{"RS256", "PS256"}, nil
	}
	if ec, err := jwt.ParseECPublicKeyFromPEM(pem); err == nil {
		return ec, []string{"ES256"}, nil
	}
	if ed, err := jwt.ParseEdPublicKeyFromPEM(pem); err == nil {
		return ed, []string{"EdDSA"}, nil
	}
	return nil, nil, errors.New("the public key for bearer tokens is none of RSA, EC and Ed25519")
}

func (t *tokens) caller(text string) (Caller, error) {
	if t == nil {
		return Caller{}, errors.New("no bearer tokens are accepted")
	}
	var c claims
	_, err := t.parser.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return t.key, nil })
	if err != nil {
		return Caller{}, fmt.Errorf("bearer token: %w", err)
	}
	if c.Subject == "" || len(c.Subject) > 128 {
		return Caller{}, errors.New("bearer token: its subject must have from 1 to 128 bytes")
	}
	caller := Caller{Name: "jwt:" + plainSubject(c.Subject), TenantID: string(c.TenantID), UserID: string(c.UserID)}
	for _, word := range strings.Fields(c.Scope) {
		caller.Scopes = append(caller.Scopes, Scope(word))
	}
	return caller.narrowed(), nil
}

// plainSubject is a subject that may stand in logs and in Redis: some issuers
// take a mail address for one.
func plainSubject(subject string) string {
	if !strings.Contains(subject, "@") {
		return subject
	}
	hash := sha256.Sum256([]byte(subject))
	return hex.EncodeToString(hash[:8])
}

// narrowed drops scopes of other services, and the one that a bound caller
// cannot have.
func (c Caller) narrowed() Caller {
	var mine []Scope
	for _, s := range Scopes() {
		if c.May(s) && (s != ReadQueues || !c.bound()) {
			mine = append(mine, s)
		}
	}
	c.Scopes = mine
	return c
}
