package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/outbox"
)

// Outbox is the table of promised jobs.
type Outbox struct{ db *DB }

var _ outbox.Store = (*Outbox)(nil)

// NewOutbox returns the table in db.
func NewOutbox(db *DB) *Outbox { return &Outbox{db} }

const maxOutboxError = 1 << 10

// Insert stores an entry as part of the caller's transaction. It is due as
// soon as that commits. After the commit, wake the relay.
func (s *Outbox) Insert(ctx context.Context, tx *sql.Tx, e outbox.Entry) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("outbox entry %s: %w", e.ID, err)
	}
	options, err := outbox.EncodeOptions(e.Options)
	if err != nil {
		return fmt.Errorf("outbox entry %s: %w", e.ID, err)
	}
	at := millis(e.CreatedAt)
	_, err = tx.ExecContext(ctx, `
		INSERT INTO outbox (id, queue, name, payload, options, created_at, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		e.ID, e.Queue, e.Name, string(e.Payload), options, at, at)
	if err != nil {
		return fmt.Errorf("outbox entry %s: %w", e.ID, err)
	}
	return nil
}

const due = "sent_at IS NULL AND given_up_at IS NULL AND next_at <= "

// Claim implements outbox.Store. The claim is next_at itself: an entry that was
// taken is not due before until. An entry that cannot be read is given up.
func (s *Outbox) Claim(ctx context.Context, now, until time.Time, limit int) ([]outbox.Entry, error) {
	if idle, err := s.idle(ctx, now); idle || err != nil {
		return nil, err
	}
	rows, err := s.db.Write.QueryContext(ctx, `
		WITH free AS (SELECT id FROM outbox WHERE `+due+`$1 ORDER BY next_at, id LIMIT $2`+s.db.dialect.skipLocked()+`)
		UPDATE outbox SET next_at = $3, attempts = attempts + 1 WHERE id IN (SELECT id FROM free)
		RETURNING id, queue, name, payload, options, created_at, attempts`, millis(now), limit, millis(until))
	if err != nil {
		return nil, fmt.Errorf("claim outbox entries: %w", err)
	}
	entries, unreadable, err := scanEntries(rows)
	if err != nil {
		return nil, fmt.Errorf("claim outbox entries: %w", err)
	}
	for id, reason := range unreadable {
		if err := s.GiveUp(ctx, id, reason.Error(), now); err != nil {
			return entries, err
		}
	}
	return entries, nil
}

// idle asks without a write whether nothing is due, which is so most of the
// time.
func (s *Outbox) idle(ctx context.Context, now time.Time) (bool, error) {
	var one int
	err := s.db.Read.QueryRowContext(ctx, "SELECT 1 FROM outbox WHERE "+due+"$1 LIMIT 1", millis(now)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for outbox entries: %w", err)
	}
	return false, nil
}

func scanEntries(rows *sql.Rows) (entries []outbox.Entry, unreadable map[string]error, err error) {
	defer rows.Close()
	unreadable = map[string]error{}
	for rows.Next() {
		var e outbox.Entry
		var payload, options string
		var created int64
		if err := rows.Scan(&e.ID, &e.Queue, &e.Name, &payload, &options, &created, &e.Attempts); err != nil {
			return nil, nil, err
		}
		e.Payload, e.CreatedAt = []byte(payload), fromMillis(created)
		if e.Options, err = outbox.DecodeOptions(options); err != nil {
			unreadable[e.ID] = err
			continue
		}
		entries = append(entries, e)
	}
	return entries, unreadable, rows.Err()
}

// MarkSent implements outbox.Store. The payloads are emptied.
func (s *Outbox) MarkSent(ctx context.Context, at time.Time, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	values := []any{millis(at)}
	marks := make([]string, len(ids))
	for i, id := range ids {
		values = append(values, id)
		marks[i] = "$" + strconv.Itoa(i+2)
	}
	_, err := s.db.Write.ExecContext(ctx, `UPDATE outbox SET sent_at = $1, payload = '{}', last_error = ''
		WHERE sent_at IS NULL AND id IN (`+strings.Join(marks, ", ")+`)`, values...)
	if err != nil {
		return fmt.Errorf("mark outbox entries sent: %w", err)
	}
	return nil
}

// MarkFailed implements outbox.Store.
func (s *Outbox) MarkFailed(ctx context.Context, id, reason string, next time.Time) error {
	return s.mark(ctx, "next_at", id, reason, next)
}

// GiveUp implements outbox.Store.
func (s *Outbox) GiveUp(ctx context.Context, id, reason string, at time.Time) error {
	return s.mark(ctx, "given_up_at", id, reason, at)
}

func (s *Outbox) mark(ctx context.Context, column, id, reason string, at time.Time) error {
	_, err := s.db.Write.ExecContext(ctx,
		"UPDATE outbox SET "+column+" = $1, last_error = $2 WHERE id = $3 AND sent_at IS NULL",
		millis(at), clean(reason, maxOutboxError), id)
	if err != nil {
		return fmt.Errorf("mark outbox entry %s: %w", id, err)
	}
	return nil
}

// Backlog counts what has not reached Redis.
func (s *Outbox) Backlog(ctx context.Context, now time.Time) (outbox.Backlog, error) {
	var b outbox.Backlog
	var oldest sql.NullInt64
	err := s.db.Read.QueryRowContext(ctx,
		"SELECT COUNT(*), MIN(created_at) FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL").Scan(&b.Waiting, &oldest)
	if err == nil {
		err = s.db.Read.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox WHERE given_up_at IS NOT NULL").Scan(&b.GivenUp)
	}
	if err != nil {
		return outbox.Backlog{}, fmt.Errorf("outbox backlog: %w", err)
	}
	if oldest.Valid {
		b.Oldest = max(0, now.Sub(fromMillis(oldest.Int64)))
	}
	return b, nil
}
