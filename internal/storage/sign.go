package storage

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Why a signed URL is refused. Whoever meets ErrExpired held a link that was
// good once, so a friendly answer gives nothing away.
var (
	ErrSignature = errors.New("the link is not valid")
	ErrExpired   = errors.New("the link has expired")
)

// Grant is what a signed URL allows: to GET one path, until a moment, as an
// owner's.
type Grant struct {
	Path    string
	Owner   string
	Expires time.Time // to the second
}

// Signer signs download URLs with HMAC-SHA256 and checks them. To change the
// key, put the new one first and keep the old one until its links have expired.
type Signer struct {
	keys []signingKey // the first one signs
}

type signingKey struct {
	id     string
	secret []byte
}

// MinSecret is the shortest signing secret, in bytes.
const MinSecret = 32

// NewSigner takes the secrets, the one that signs first. A key's id is made
// from its secret, so that nobody has to name them.
func NewSigner(secrets ...string) (*Signer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("signing key: there must be at least one")
	}
	s := &Signer{}
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("signing key %d: must have at least %d characters", i+1, MinSecret)
		}
		id := sha256.Sum256([]byte("tandem key id\x00" + secret))
		s.keys = append(s.keys, signingKey{id: hex.EncodeToString(id[:4]), secret: []byte(secret)})
	}
	return s, nil
}

// Sign returns the query that makes Verify accept the path of the grant.
func (s *Signer) Sign(g Grant) (url.Values, error) {
	if !strings.HasPrefix(g.Path, "/") || strings.ContainsAny(g.Path, "?#") {
		return nil, fmt.Errorf("cannot sign the path %q", g.Path)
	}
	key := s.keys[0]
	expires := strconv.FormatInt(g.Expires.Unix(), 10)
	return url.Values{
		"owner":   {g.Owner},
		"expires": {expires},
		"kid":     {key.id},
		"sig":     {key.sign(http.MethodGet, g.Path, g.Owner, expires)},
	}, nil
}

// Verify checks a request's method, path and query at the time now. HEAD asks
// for less than GET and is allowed with it. The error is ErrSignature or
// ErrExpired.
func (s *Signer) Verify(method, path string, query url.Values, now time.Time) (Grant, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, name := range []string{"owner", "expires", "kid", "sig"} {
		if len(query[name]) != 1 {
			return Grant{}, ErrSignature
		}
	}
	owner, expires := query.Get("owner"), query.Get("expires")
	key, ok := s.find(query.Get("kid"))
	if !ok || !hmac.Equal([]byte(query.Get("sig")), []byte(key.sign(method, path, owner, expires))) {
		return Grant{}, ErrSignature
	}
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return Grant{}, ErrSignature
	}
	g := Grant{Path: path, Owner: owner, Expires: time.Unix(seconds, 0).UTC()}
	if !now.Before(g.Expires) {
		return g, ErrExpired
	}
	return g, nil
}

func (s *Signer) find(id string) (signingKey, bool) {
	for _, key := range s.keys {
		if key.id == id {
			return key, true
		}
	}
	return signingKey{}, false
}

// sign covers each part together with its length, so that no two lists of
// parts give the same text.
func (k signingKey) sign(parts ...string) string {
	mac := hmac.New(sha256.New, k.secret)
	for _, part := range append([]string{"tandem download 1", k.id}, parts...) {
		fmt.Fprintf(mac, "%d:%s,", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
