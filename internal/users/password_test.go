package users_test

import (
	"regexp"
	"testing"

	"github.com/tandemq/tandem/internal/users"
)

func TestAHashMatchesItsPasswordOnly(t *testing.T) {
	hasher := users.NewHasher(1)
	first, err := hasher.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	second, err := hasher.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two hashes of one password are equal: there is no salt")
	}
	if !regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(first) {
		t.Errorf("%s is not in PHC form", first)
	}
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "": false} {
		if got, err := hasher.Matches(t.Context(), first, password); got != want || err != nil {
			t.Errorf("Matches(%q) = %t, %v; want %t", password, got, err, want)
		}
	}
}

// The reference implementation's own vector, from its test.c (t=2, m=2^8, p=1).
func TestAHashMadeElsewhereIsUnderstood(t *testing.T) {
	const hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, err := users.NewHasher(1).Matches(t.Context(), hash, "password"); !ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
}

func TestWhatIsNoHashIsRefused(t *testing.T) {
	for _, hash := range []string{
		"", "plain", "$2y$10$abcdefghijklmnopqrstuv",
		"$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgL",
		"$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgL",
		"$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgL",
		"$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$nf65EOgL",
		"$argon2id$v=19$m=256,t=2,p=1$$nf65EOgL",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$!",
	} {
		if ok, err := users.NewHasher(1).Matches(t.Context(), hash, "x"); ok || err == nil {
			t.Errorf("%q: %t, %v; want an error", hash, ok, err)
		}
	}
}
