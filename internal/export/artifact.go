package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tandemq/tandem/internal/dataset"
)

// Artifact describes a stored file: the row that a download is looked up by.
type Artifact struct {
	ID          string
	Kind        string // "export"
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

// Files is where files go.
type Files interface {
	// Put stores a stream under key, whole or not at all, and replaces what
	// was there.
	Put(ctx context.Context, key string, r io.Reader, contentType string) (bytes int64, sha256 string, err error)
	// Delete removes a file; one that is not there is not an error.
	Delete(ctx context.Context, key string) error
	// SignedURL is where the artifact can be downloaded until it expires.
	SignedURL(ctx context.Context, a Artifact) (string, error)
}

// Artifacts is the table of artifacts.
type Artifacts interface {
	// Create records a file; the same id again replaces the row, if it is of the
	// same job, owner and tenant. Another's is refused with an error that is
	// jobs.Unrecoverable.
	Create(ctx context.Context, a Artifact) error
	// Expired lists at most limit artifacts whose file is due for removal, the
	// longest overdue first.
	Expired(ctx context.Context, now time.Time, limit int) ([]Artifact, error)
	// MarkDeleted records that the file is gone.
	MarkDeleted(ctx context.Context, id string, at time.Time) error
}

// artifactOf names the file of a job. Id and key follow from the job, so a
// repeated run meets its own file; the key cannot be guessed back from an
// address, nor does it say what the caller chose as an id.
func artifactOf(req Request, statement *dataset.Statement, now time.Time, lifetime time.Duration) Artifact {
	format := req.Payload.Format
	sum := sha256.Sum256([]byte(req.identity("export file")))
	now = now.UTC().Truncate(time.Second) // URLs expire by the second
	return Artifact{
		ID:          uuid.NewSHA1(uuid.NameSpaceURL, []byte(req.identity("tandem:export"))).String(),
		Kind:        "export",
		OwnerID:     req.Owner,
		TenantID:    req.TenantID,
		StorageKey:  "exports/" + hex.EncodeToString(sum[:16]) + "." + string(format),
		Filename:    statement.Dataset.Name + "-" + now.Format(time.DateOnly) + "." + string(format),
		ContentType: format.ContentType(),
		JobID:       req.JobID,
		CreatedAt:   now,
		ExpiresAt:   now.Add(lifetime),
	}
}

// identity is what makes the file of a request another one than any other's. The
// job's id is not enough: a caller may have chosen it, and it is free for others
// once the queue has forgotten the job, while the file is still there.
func (r Request) identity(use string) string {
	return strings.Join([]string{
		use, r.JobID, r.TenantID, r.Payload.UserID, r.Owner, strconv.Itoa(int(r.Scope)), string(r.Payload.Format),
	}, "\x00")
}
