package email

import (
	"net/mail"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsPlainIsAnAddressToNetMail(t *testing.T) {
	for local, want := range map[string]bool{
		"ada": true, "ada.lovelace+tag-1_x": true, "A.B": true,
		"": false, ".a": false, "a.": false, "a..b": false, "a'b": false, "a b": false, "a\"b": false, "ä": false, "a@b": false,
	} {
		if got := isPlain(local); got != want {
			t.Errorf("%q: %v", local, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[A-Za-z0-9_+.'" ä-]{1,12}`).Draw(t, "local")
		if !isPlain(local) {
			return
		}
		if parsed, err := mail.ParseAddress(local + "@example.com"); err != nil || parsed.Address != local+"@example.com" {
			t.Fatalf("%q is plain, and net/mail says %v, %v", local, parsed, err)
		}
	})
}
