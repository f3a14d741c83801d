package users

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of one hash: the first of OWASP's equal choices for Argon2id that
// needs less than 20 MiB. Stored hashes carry their own, so raising it does not
// invalidate them.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonKey     = 32 // bytes
)

// Hasher hashes passwords, a few at a time: each hash takes 19 MiB and a
// core, and without a bound a burst of sign-ups would be a way to take all.
type Hasher struct{ slots chan struct{} }

// NewHasher returns a hasher that hashes at most slots passwords at once; 0 is 4.
func NewHasher(slots int) *Hasher {
	if slots <= 0 {
		slots = 4
	}
	return &Hasher{slots: make(chan struct{}, slots)}
}

// Hash returns the password's hash in PHC form. It waits for a slot, and stops
// waiting with the context's error when ctx ends.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails: the program ends before it would
	p := phc{time: argonTime, memory: argonMemory, threads: argonThreads, salt: salt}
	key, err := h.derive(ctx, password, p, argonKey)
	if err != nil {
		return "", err
	}
	p.key = key
	return p.String(), nil
}

// Matches reports whether hash is that of the password. The error is that of
// ctx, or says that the hash is not one of ours.
func (h *Hasher) Matches(ctx context.Context, hash, password string) (bool, error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	key, err := h.derive(ctx, password, p, uint32(len(p.key)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1, nil
}

func (h *Hasher) derive(ctx context.Context, password string, p phc, size uint32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash password: %w", ctx.Err())
	}
	return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, size), nil
}

// phc is a hash with what is needed to compute it again:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>
type phc struct {
	time, memory uint32
	threads      uint8
	salt, key    []byte
}

var unpadded = base64.RawStdEncoding

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		unpadded.EncodeToString(p.salt), unpadded.EncodeToString(p.key))
}

var errNotPHC = errors.New("stored password hash is not an Argon2id hash")

func parsePHC(text string) (phc, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errNotPHC
	}
	var p phc
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return phc{}, errNotPHC
	}
	salt, saltErr := unpadded.DecodeString(parts[4])
	key, keyErr := unpadded.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) == 0 || len(key) == 0 || !p.affordable() {
		return phc{}, errNotPHC
	}
	p.salt, p.key = salt, key
	return p, nil
}

// affordable refuses costs that argon2 would panic on or that would take the
// machine down. A hash comes from the database, which is trusted, but not blindly.
func (p phc) affordable() bool {
	return p.time >= 1 && p.time <= 16 && p.threads >= 1 && p.memory >= 8 && p.memory <= 1<<20
}
