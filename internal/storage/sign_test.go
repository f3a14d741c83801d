package storage_test

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/storage"
)

const path = "/api/v1/artifacts/a1/download"

var (
	noon  = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	grant = storage.Grant{Path: path, Owner: "ann", Expires: noon.Add(time.Hour)}
)

func sign(t *testing.T, s *storage.Signer, g storage.Grant) url.Values {
	t.Helper()
	query, err := s.Sign(g)
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func TestASignedPathIsGrantedUntilItExpires(t *testing.T) {
	s := signer(t, secret)
	query := sign(t, s, grant)
	for _, method := range []string{"GET", "HEAD"} {
		got, err := s.Verify(method, path, query, noon)
		if err != nil || got != grant {
			t.Errorf("%s: %+v, %v; want %+v", method, got, err, grant)
		}
	}
	if _, err := s.Verify("GET", path, query, grant.Expires.Add(-time.Second)); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	if _, err := s.Verify("GET", path, query, grant.Expires); !errors.Is(err, storage.ErrExpired) {
		t.Errorf("at the end: %v, want ErrExpired", err)
	}
}

func TestNothingOfASignedURLCanBeChanged(t *testing.T) {
	s := signer(t, secret)
	changed := func(name string, values ...string) url.Values {
		query := maps.Clone(sign(t, s, grant))
		query[name] = values
		return query
	}
	good := sign(t, s, grant)
	for _, tt := range []struct {
		name, method, path string
		query              url.Values
	}{
		{"method", "DELETE", path, good},
		{"path", "GET", strings.Replace(path, "a1", "a2", 1), good},
		{"owner", "GET", path, changed("owner", "bob")},
		{"later end", "GET", path, changed("expires", "1999999999")},
		{"earlier end", "GET", path, changed("expires", "1")},
		{"end that is no number", "GET", path, changed("expires", "never")},
		{"unknown key", "GET", path, changed("kid", "00000000")},
		{"signature", "GET", path, changed("sig", good.Get("sig")[1:]+"A")},
		{"no signature", "GET", path, changed("sig")},
		{"owner twice", "GET", path, changed("owner", "ann", "bob")},
		{"nothing", "GET", path, url.Values{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if g, err := s.Verify(tt.method, tt.path, tt.query, noon); !errors.Is(err, storage.ErrSignature) || g != (storage.Grant{}) {
				t.Errorf("Verify = %+v, %v; want ErrSignature", g, err)
			}
		})
	}
}

func TestPartsCannotBeShiftedIntoEachOther(t *testing.T) {
	s := signer(t, secret)
	query := sign(t, s, storage.Grant{Path: "/a", Owner: "bc", Expires: noon})
	query.Set("owner", "c")
	if _, err := s.Verify("GET", "/ab", query, noon.Add(-time.Hour)); !errors.Is(err, storage.ErrSignature) {
		t.Errorf("Verify = %v, want ErrSignature", err)
	}
}

func TestAnOldKeyIsGoodUntilItIsTakenAway(t *testing.T) {
	const newer = "another secret that is long enough to sign"
	query := sign(t, signer(t, secret), grant)
	if _, err := signer(t, newer, secret).Verify("GET", path, query, noon); err != nil {
		t.Errorf("beside the new key: %v", err)
	}
	if _, err := signer(t, newer).Verify("GET", path, query, noon); !errors.Is(err, storage.ErrSignature) {
		t.Errorf("without the old key: %v, want ErrSignature", err)
	}
	rotated := sign(t, signer(t, newer, secret), grant)
	if _, err := signer(t, newer).Verify("GET", path, rotated, noon); err != nil {
		t.Errorf("the first key does not sign: %v", err)
	}
}

func TestASecretHasAMinimumLength(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {strings.Repeat("x", storage.MinSecret-1)}, {secret, "short"}} {
		if _, err := storage.NewSigner(secrets...); err == nil {
			t.Errorf("accepted %d secrets", len(secrets))
		}
	}
}

func TestAURLOfADirectoryIsVerifiedByItsSigner(t *testing.T) {
	address, err := openFS(t, t.TempDir()).SignedURL(t.Context(), storage.Link{Key: "exports/a", Path: path, Owner: "ann", Expires: grant.Expires})
	if err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(address)
	if err != nil || link.Scheme != "https" || link.Host != "tandem.example" {
		t.Fatalf("%s, %v", address, err)
	}
	if got, err := signer(t, secret).Verify("GET", link.Path, link.Query(), noon); err != nil || got != grant {
		t.Errorf("Verify = %+v, %v", got, err)
	}
}

func FuzzVerify(f *testing.F) {
	s, err := storage.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.Sign(grant)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("GET", path, good.Encode())
	f.Add("GET", path, "owner=&expires=&kid=&sig=")
	f.Fuzz(func(t *testing.T, method, at, rawQuery string) {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		got, err := s.Verify(method, at, query, noon)
		if err == nil && (got != grant || at != path || method != "GET" && method != "HEAD") {
			t.Errorf("granted %+v for %s %s?%s", got, method, at, rawQuery)
		}
	})
}
