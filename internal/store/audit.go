package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// AuditEntry says that somebody did something to a thing.
type AuditEntry struct {
	ID        string // made by Append
	At        time.Time
	Actor     string // an API key's name or a user id, never the key itself
	Action    string // "queue.pause", "job.retry"
	Target    string // "email", "email/0198…"
	RequestID string
	Detail    string // kept to 4 KiB
}

// Audit is the audit log.
type Audit struct{ db *DB }

// NewAudit returns the log in db.
func NewAudit(db *DB) *Audit { return &Audit{db} }

const maxAuditText = 512

// Append adds one entry. A caller that cannot record what it is about to do
// should not do it.
func (s *Audit) Append(ctx context.Context, e AuditEntry) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	_, err = s.db.Write.ExecContext(ctx, `
		INSERT INTO audit_log (id, at, actor, action, target, request_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id.String(), millis(e.At), clean(e.Actor, maxAuditText), clean(e.Action, maxAuditText), clean(e.Target, maxAuditText),
		clean(e.RequestID, maxAuditText), clean(e.Detail, 8*maxAuditText))
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// Latest returns at most limit entries, the newest first. With an entry as
// before it goes on from there; the zero entry begins at the end.
func (s *Audit) Latest(ctx context.Context, before AuditEntry, limit int) ([]AuditEntry, error) {
	at, id := int64(1)<<62, ""
	if before.ID != "" {
		at, id = millis(before.At), before.ID
	}
	rows, err := s.db.Read.QueryContext(ctx, `
		SELECT id, at, actor, action, target, request_id, detail FROM audit_log
		WHERE at < $1 OR (at = $1 AND id < $2) ORDER BY at DESC, id DESC LIMIT $3`, at, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	defer rows.Close()
	var entries []AuditEntry
	for rows.Next() {
		var e AuditEntry
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Target, &e.RequestID, &e.Detail); err != nil {
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		e.At = fromMillis(at)
		entries = append(entries, e)
	}
	return entries, rows.Err()
}
