package users

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Peek reports whether a token would be accepted, and changes nothing: nil,
// ErrTokenMalformed, ErrTokenExpired or ErrTokenUsed. Programs that look at
// mails before their reader does follow the links in them.
func (s *Service) Peek(ctx context.Context, token string) error {
	if !isToken(token) {
		return ErrTokenMalformed
	}
	return s.judge(ctx, s.opts.Read, token, s.opts.Now())
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// judge says what is wrong with a token. One that was used says so even when
// its time is over too.
func (s *Service) judge(ctx context.Context, db querier, token string, now time.Time) error {
	var expires int64
	var used sql.NullInt64
	err := db.QueryRowContext(ctx,
		"SELECT expires_at, used_at FROM verification_tokens WHERE token_hash = $1", hashToken(token)).Scan(&expires, &used)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrTokenMalformed
	case err != nil:
		return fmt.Errorf("look up token: %w", err)
	case used.Valid:
		return ErrTokenUsed
	case expires <= now.UnixMilli():
		return ErrTokenExpired
	}
	return nil
}

// Consume uses the token, once, and returns the account that is active now.
// The errors are those of Peek.
func (s *Service) Consume(ctx context.Context, token string) (User, error) {
	if !isToken(token) {
		return User{}, ErrTokenMalformed
	}
	var user User
	err := s.opts.Tx(ctx, func(tx *sql.Tx) (err error) {
		user, err = s.consume(ctx, tx, token)
		return err
	})
	return user, err
}

func (s *Service) consume(ctx context.Context, tx *sql.Tx, token string) (User, error) {
	now := s.opts.Now()
	var userID string
	err := tx.QueryRowContext(ctx, `
		UPDATE verification_tokens SET used_at = $1 WHERE token_hash = $2 AND used_at IS NULL AND expires_at > $1
		RETURNING user_id`, now.UnixMilli(), hashToken(token)).Scan(&userID)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, s.refusal(ctx, tx, token, now)
	}
	if err != nil {
		return User{}, fmt.Errorf("use token: %w", err)
	}
	return activate(ctx, tx, userID, now)
}

// refusal is why a token could not be used.
func (s *Service) refusal(ctx context.Context, tx *sql.Tx, token string, now time.Time) error {
	if err := s.judge(ctx, tx, token, now); err != nil {
		return err
	}
	return errors.New("use token: it is good and was not accepted")
}

func activate(ctx context.Context, tx *sql.Tx, id string, now time.Time) (User, error) {
	u := User{ID: id}
	var created int64
	err := tx.QueryRowContext(ctx, `
		UPDATE users SET status = 'active', verified_at = COALESCE(verified_at, $1) WHERE id = $2
		RETURNING name, email, status, created_at`, now.UnixMilli(), id).Scan(&u.Name, &u.Email, &u.Status, &created)
	if err != nil {
		return User{}, fmt.Errorf("activate account %s: %w", id, err)
	}
	u.CreatedAt = time.UnixMilli(created).UTC()
	return u, nil
}
