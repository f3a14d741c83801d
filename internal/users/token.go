package users

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Why a token is not accepted.
var (
	// ErrTokenMalformed: it is not a token, or none that is known.
	ErrTokenMalformed = errors.New("the link is not complete or not known")
	// ErrTokenExpired: its time is over.
	ErrTokenExpired = errors.New("the link has expired")
	// ErrTokenUsed: it was used before.
	ErrTokenUsed = errors.New("the link was used before")
)

// newToken is 26 letters and digits, at least 128 bits that nobody can guess.
func newToken() string { return rand.Text() }

const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// isToken reports whether the text looks like a token, before the database is
// asked.
func isToken(text string) bool {
	return len(text) == 26 && strings.Trim(text, tokenAlphabet) == ""
}

// hashToken is what is stored. A token is random enough to need no salt.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
