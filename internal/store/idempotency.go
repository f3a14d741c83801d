package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Idempotency remembers what was answered under an Idempotency-Key:
//
//	            Begin                 Finish
//	(nothing) ───────▶ in_flight ──────────────▶ done ──▶ forgotten after TTL
//	                     │    ▲
//	              Forget │    │ Begin of the same request, once the lease is over
//	                     ▼    │ (the process that worked on it died)
//	                 (nothing)└──
//
// A repeated request with the same body gets the first answer; one with
// another body, or one that comes while the first is worked on, an error. The
// key is stored as a hash, the body only as a hash.
type Idempotency struct {
	db   *DB
	opts IdempotencyOptions
}

// IdempotencyOptions tune it. The zero value is fine.
type IdempotencyOptions struct {
	TTL   time.Duration    // how long an answer is remembered; 0 is 24 h
	Lease time.Duration    // how long a request may be in flight; 0 is 30 s
	Now   func() time.Time // nil is time.Now
}

var (
	// ErrOtherBody: the key was used for a different request.
	ErrOtherBody = errors.New("idempotency key was used with another body")
	// ErrInFlight: the first request under the key is still being answered.
	ErrInFlight = errors.New("a request with this idempotency key is in flight")
	// ErrLeaseLost: another request took over before this one finished; its
	// answer is the one that counts.
	ErrLeaseLost = errors.New("idempotency lease was lost")
)

// Answer is what is replayed.
type Answer struct {
	Status  int
	Headers map[string]string
	Body    []byte
}

// Ticket entitles its holder to Finish or Forget what it began.
type Ticket struct{ keyHash, owner string }

// NewIdempotency returns the memory in db.
func NewIdempotency(db *DB, o IdempotencyOptions) *Idempotency {
	if o.TTL <= 0 {
		o.TTL = 24 * time.Hour
	}
	if o.Lease <= 0 {
		o.Lease = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Idempotency{db: db, opts: o}
}

// Begin starts a request. scope is whose key it is (one caller's key means
// nothing to another) and for which route. The answer is nil when the request
// is to be worked on, and then the ticket must be finished or forgotten;
// otherwise the answer is the one to repeat. ErrOtherBody and ErrInFlight
// refuse it.
func (s *Idempotency) Begin(ctx context.Context, scope, key string, body []byte) (Ticket, *Answer, error) {
	ticket := Ticket{keyHash: hashParts(scope, key), owner: rand.Text()}
	bodyHash := hashParts(string(body))
	// The row can expire between the two statements, so it is looked at again.
	for range 3 {
		began, err := s.begin(ctx, ticket, bodyHash)
		if err != nil || began {
			return ticket, nil, err
		}
		answer, err := s.look(ctx, ticket.keyHash, bodyHash)
		if !errors.Is(err, ErrNotFound) {
			return Ticket{}, answer, err
		}
	}
	return Ticket{}, nil, ErrInFlight
}

// begin inserts the row, or takes over one that is forgotten or abandoned.
func (s *Idempotency) begin(ctx context.Context, t Ticket, bodyHash string) (bool, error) {
	now := s.opts.Now()
	result, err := s.db.Write.ExecContext(ctx, `
		INSERT INTO idempotency (key_hash, body_hash, state, owner, lease_until, created_at, expires_at)
		VALUES ($1, $2, 'in_flight', $3, $4, $5, $6)
		ON CONFLICT (key_hash) DO UPDATE SET
			body_hash = excluded.body_hash, state = excluded.state, owner = excluded.owner,
			lease_until = excluded.lease_until, created_at = excluded.created_at, expires_at = excluded.expires_at,
			status = 0, headers = '{}', response = ''
		WHERE idempotency.expires_at <= excluded.created_at
			OR (idempotency.state = 'in_flight' AND idempotency.lease_until <= excluded.created_at
				AND idempotency.body_hash = excluded.body_hash)`,
		t.keyHash, bodyHash, t.owner, millis(now.Add(s.opts.Lease)), millis(now), millis(now.Add(s.opts.TTL)))
	if err != nil {
		return false, fmt.Errorf("begin idempotent request: %w", err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// look says what stands in the way of begin. It reads where begin wrote, so
// that it cannot see an older state.
func (s *Idempotency) look(ctx context.Context, keyHash, bodyHash string) (*Answer, error) {
	var storedBody, state, headers, response string
	var answer Answer
	err := s.db.Write.QueryRowContext(ctx,
		"SELECT body_hash, state, status, headers, response FROM idempotency WHERE key_hash = $1", keyHash).
		Scan(&storedBody, &state, &answer.Status, &headers, &response)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("look up idempotent request: %w", err)
	case storedBody != bodyHash:
		return nil, ErrOtherBody
	case state != "done":
		return nil, ErrInFlight
	}
	if err := json.Unmarshal([]byte(headers), &answer.Headers); err != nil {
		return nil, fmt.Errorf("stored headers of an idempotent request: %w", err)
	}
	answer.Body = []byte(response)
	return &answer, nil
}

// Finish stores the answer. ErrLeaseLost means that another request has taken
// over and this answer was not stored.
func (s *Idempotency) Finish(ctx context.Context, t Ticket, a Answer) error {
	if a.Headers == nil {
		a.Headers = map[string]string{}
	}
	headers, err := json.Marshal(a.Headers)
	if err != nil {
		return fmt.Errorf("finish idempotent request: %w", err)
	}
	result, err := s.db.Write.ExecContext(ctx, `
		UPDATE idempotency SET state = 'done', status = $1, headers = $2, response = $3
		WHERE key_hash = $4 AND owner = $5 AND state = 'in_flight'`,
		a.Status, string(headers), string(a.Body), t.keyHash, t.owner)
	if err != nil {
		return fmt.Errorf("finish idempotent request: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrLeaseLost, err)
	}
	return nil
}

// Forget gives the key back without an answer, for a request that failed in a
// way that may be tried again.
func (s *Idempotency) Forget(ctx context.Context, t Ticket) error {
	_, err := s.db.Write.ExecContext(ctx,
		"DELETE FROM idempotency WHERE key_hash = $1 AND owner = $2 AND state = 'in_flight'", t.keyHash, t.owner)
	if err != nil {
		return fmt.Errorf("forget idempotent request: %w", err)
	}
	return nil
}

// ForgetAll is for a program whose jobs are gone: the answers that it remembers
// name jobs that nobody would run.
func (s *Idempotency) ForgetAll(ctx context.Context) error {
	if _, err := s.db.Write.ExecContext(ctx, "DELETE FROM idempotency"); err != nil {
		return fmt.Errorf("forget idempotent requests: %w", err)
	}
	return nil
}

// hashParts hashes the parts such that no two lists of them are alike.
func hashParts(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:", len(part))
		hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil))
}
