package email

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Ledger records mails in the table email_messages, in SQL that SQLite and
// PostgreSQL both speak.
type Ledger struct{ db *sql.DB }

var _ recorder = (*Ledger)(nil)

// NewLedger records in db, whose schema is in place.
func NewLedger(db *sql.DB) *Ledger { return &Ledger{db: db} }

// Find reads what is recorded under an id.
func (l *Ledger) Find(ctx context.Context, id string) (Record, bool, error) {
	var r Record
	var createdAt int64
	var sentAt sql.NullInt64
	err := l.db.QueryRowContext(ctx, `
		SELECT id, tenant_id, template, address_hash, address_masked, subject,
		       status, error, attempts, created_at, sent_at
		FROM email_messages WHERE id = $1`, id).
		Scan(&r.ID, &r.TenantID, &r.Template, &r.AddressHash, &r.AddressMasked, &r.Subject,
			&r.Status, &r.Error, &r.Attempts, &createdAt, &sentAt)
	if errors.Is(err, sql.ErrNoRows) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("find mail %s: %w", id, err)
	}
	r.CreatedAt = time.UnixMilli(createdAt).UTC()
	if sentAt.Valid {
		r.SentAt = time.UnixMilli(sentAt.Int64).UTC()
	}
	return r, true, nil
}

// Record writes an attempt down under the id of its mail. The row tells when the mail
// was first tried; a row that ends an earlier job's mail is taken over whole.
func (l *Ledger) Record(ctx context.Context, r Record) error {
	_, err := l.db.ExecContext(ctx, `
		INSERT INTO email_messages (id, tenant_id, template, address_hash, address_masked, subject,
		                            status, error, attempts, created_at, sent_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET
			tenant_id = excluded.tenant_id,
			template = excluded.template,
			address_hash = excluded.address_hash,
			address_masked = excluded.address_masked,
			subject = excluded.subject,
			status = excluded.status,
			error = excluded.error,
			attempts = excluded.attempts,
			created_at = CASE WHEN email_messages.status = 'sent'
			             THEN excluded.created_at ELSE email_messages.created_at END,
			sent_at = excluded.sent_at
		WHERE email_messages.status <> 'sent' OR excluded.status = 'sent' OR email_messages.sent_at < $12`,
		r.ID, r.TenantID, r.Template, r.AddressHash, r.AddressMasked, r.Subject,
		string(r.Status), r.Error, r.Attempts, r.CreatedAt.UnixMilli(), millis(r.SentAt), r.cutoff())
	if err != nil {
		return fmt.Errorf("record mail %s: %w", r.ID, err)
	}
	return nil
}

// millis is NULL for the zero time.
func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

// cutoff is the moment before which a mail under this id was an earlier job's;
// 0, which no mail was sent before, when nobody knows.
func (r Record) cutoff() int64 {
	if r.QueuedAt.IsZero() {
		return 0
	}
	return r.QueuedAt.Add(-skew).UnixMilli()
}
