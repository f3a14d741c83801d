package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Artifact describes a file that a job made and where it is stored.
type Artifact struct {
	ID          string
	Kind        string // "export" or "report"
	OwnerID     string
	TenantID    string
	StorageKey  string
	Filename    string // as the user will see it
	ContentType string
	Bytes       int64
	SHA256      string // lower-case hex
	Rows        int64
	JobID       string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	DeletedAt   time.Time // when the file was removed; zero while it is there
}

// ErrArtifactTaken: another job's artifact has that id.
var ErrArtifactTaken = errors.New("artifact id belongs to another job")

// Artifacts is the table of artifacts.
type Artifacts struct{ db *DB }

// NewArtifacts returns the table in db.
func NewArtifacts(db *DB) *Artifacts { return &Artifacts{db} }

const artifactColumns = `id, kind, owner_id, tenant_id, storage_key, filename, content_type,
	bytes, sha256, rows_count, job_id, created_at, expires_at, deleted_at`

// Create records a file. A job that runs again after its first attempt wrote
// the row replaces it, and DeletedAt is cleared: there is a file again.
func (s *Artifacts) Create(ctx context.Context, a Artifact) error {
	result, err := s.db.Write.ExecContext(ctx, `
		INSERT INTO artifacts (`+artifactColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL)
		ON CONFLICT (id) DO UPDATE SET
			storage_key = excluded.storage_key, filename = excluded.filename, content_type = excluded.content_type,
			bytes = excluded.bytes, sha256 = excluded.sha256, rows_count = excluded.rows_count,
			created_at = excluded.created_at, expires_at = excluded.expires_at, deleted_at = NULL
		WHERE artifacts.job_id = excluded.job_id AND artifacts.owner_id = excluded.owner_id
			AND artifacts.tenant_id = excluded.tenant_id AND artifacts.kind = excluded.kind`,
		a.ID, a.Kind, a.OwnerID, a.TenantID, a.StorageKey, a.Filename, a.ContentType,
		a.Bytes, a.SHA256, a.Rows, a.JobID, millis(a.CreatedAt), millis(a.ExpiresAt))
	if err != nil {
		return fmt.Errorf("create artifact %s: %w", a.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("create artifact %s: %w", a.ID, ErrArtifactTaken), err)
	}
	return nil
}

// Get returns the artifact, ErrNotFound if there is none. An expired or deleted
// one is returned as well; its times say so.
func (s *Artifacts) Get(ctx context.Context, id string) (Artifact, error) {
	row := s.db.Read.QueryRowContext(ctx, "SELECT "+artifactColumns+" FROM artifacts WHERE id = $1", id)
	a, err := scanArtifact(row)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Artifact{}, fmt.Errorf("artifact %s: %w", id, err)
	}
	return a, nil
}

// Expired lists at most limit artifacts whose file is due for removal at now,
// the longest overdue first.
func (s *Artifacts) Expired(ctx context.Context, now time.Time, limit int) ([]Artifact, error) {
	rows, err := s.db.Read.QueryContext(ctx, "SELECT "+artifactColumns+` FROM artifacts
		WHERE deleted_at IS NULL AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2`, millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("expired artifacts: %w", err)
	}
	defer rows.Close()
	var expired []Artifact
	for rows.Next() {
		a, err := scanArtifact(rows)
		if err != nil {
			return nil, fmt.Errorf("expired artifacts: %w", err)
		}
		expired = append(expired, a)
	}
	return expired, rows.Err()
}

// MarkDeleted records that the file is gone. Saying it twice keeps the first
// time.
func (s *Artifacts) MarkDeleted(ctx context.Context, id string, at time.Time) error {
	_, err := s.db.Write.ExecContext(ctx,
		"UPDATE artifacts SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL", millis(at), id)
	if err != nil {
		return fmt.Errorf("mark artifact %s deleted: %w", id, err)
	}
	return nil
}

type scanner interface{ Scan(dest ...any) error }

func scanArtifact(row scanner) (Artifact, error) {
	var a Artifact
	var created, expires int64
	var deleted sql.NullInt64
	err := row.Scan(&a.ID, &a.Kind, &a.OwnerID, &a.TenantID, &a.StorageKey, &a.Filename, &a.ContentType,
		&a.Bytes, &a.SHA256, &a.Rows, &a.JobID, &created, &expires, &deleted)
	a.CreatedAt, a.ExpiresAt, a.DeletedAt = fromMillis(created), fromMillis(expires), fromNullMillis(deleted)
	return a, err
}
