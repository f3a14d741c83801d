package users

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Register signs somebody up, and sees to it that a mail goes out. The answer
// has the same shape, and takes as long, whether or not the address is known;
// see the package comment. Input that is refused is a jobs.ErrInvalid for each
// field, joined.
func (s *Service) Register(ctx context.Context, r Registration) (User, error) {
	r, err := s.check(r)
	if err != nil {
		return User{}, err
	}
	hash, err := s.hasher.Hash(ctx, r.Password)
	if err != nil {
		return User{}, fmt.Errorf("register: %w", err)
	}
	user, err := newUser(r, s.opts.Now())
	if err != nil {
		return User{}, fmt.Errorf("register: %w", err)
	}
	if err := s.opts.Tx(ctx, func(tx *sql.Tx) error { return s.register(ctx, tx, user, hash) }); err != nil {
		return User{}, fmt.Errorf("register: %w", err)
	}
	s.opts.Wake()
	return user, nil
}

func newUser(r Registration, now time.Time) (User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return User{}, err
	}
	return User{ID: id.String(), Name: r.Name, Email: r.Email, Status: Pending, CreatedAt: now.UTC().Truncate(time.Millisecond)}, nil
}

// register writes the account and its mail, or only the mail that tells the
// owner of a known address.
func (s *Service) register(ctx context.Context, tx *sql.Tx, u User, passwordHash string) error {
	created, err := s.claimAddress(ctx, tx, u, passwordHash)
	if err != nil {
		return err
	}
	if !created {
		return s.tellOwner(ctx, tx, u)
	}
	token, err := s.issueToken(ctx, tx, u)
	if err != nil {
		return err
	}
	return s.promiseMail(ctx, tx, u, s.welcomeMail(u, token))
}

// claimAddress inserts the account and reports whether the address was free.
// It also is when its registration was never confirmed and has lapsed; that
// one goes, with its tokens.
func (s *Service) claimAddress(ctx context.Context, tx *sql.Tx, u User, passwordHash string) (bool, error) {
	lapsed := u.CreatedAt.Add(-s.opts.TokenTTL).UnixMilli()
	_, err := tx.ExecContext(ctx, "DELETE FROM users WHERE email = $1 AND status = 'pending' AND created_at <= $2", u.Email, lapsed)
	if err != nil {
		return false, fmt.Errorf("remove lapsed account: %w", err)
	}
	result, err := tx.ExecContext(ctx, `
		INSERT INTO users (id, name, email, password_hash, status, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (email) DO NOTHING`, u.ID, u.Name, u.Email, passwordHash, string(u.Status), u.CreatedAt.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("insert account: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

func (s *Service) issueToken(ctx context.Context, tx *sql.Tx, u User) (string, error) {
	token := newToken()
	_, err := tx.ExecContext(ctx,
		"INSERT INTO verification_tokens (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
		hashToken(token), u.ID, u.CreatedAt.UnixMilli(), u.CreatedAt.Add(s.opts.TokenTTL).UnixMilli())
	if err != nil {
		return "", fmt.Errorf("insert token: %w", err)
	}
	return token, nil
}

// noticeEvery is how often at most the owner of an address is told that somebody
// tries to sign up with it: whoever tries all day long fills nobody's mailbox.
const noticeEvery = time.Hour

// tellOwner greets with the name of the account. The one just given may be a
// stranger's, who would like to see it in somebody else's mail.
func (s *Service) tellOwner(ctx context.Context, tx *sql.Tx, u User) error {
	var name string
	err := tx.QueryRowContext(ctx, `
		UPDATE users SET notified_at = $1 WHERE email = $2 AND (notified_at IS NULL OR notified_at <= $3)
		RETURNING name`, u.CreatedAt.UnixMilli(), u.Email, u.CreatedAt.Add(-noticeEvery).UnixMilli()).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return wasTold(ctx, tx, u.Email)
	}
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	return s.promiseMail(ctx, tx, u, accountExistsMail(u.Email, name))
}

// wasTold makes sure of the account of an owner who was told. It writes, as
// sending a mail does, so that an answer takes as long.
func wasTold(ctx context.Context, tx *sql.Tx, email string) error {
	result, err := tx.ExecContext(ctx, "UPDATE users SET notified_at = notified_at WHERE email = $1", email)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, errors.New("the account of the address has just gone"))
	}
	return nil
}
