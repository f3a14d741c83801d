package export

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
)

// Format is the kind of file that is made.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	XLSX   Format = "xlsx"
	PDF    Format = "pdf"
	JSON   Format = "json"   // one array of objects
	NDJSON Format = "ndjson" // one object per line
)

// Formats lists them, for messages and for whoever registers handlers: a job
// is named after its format.
func Formats() []Format { return []Format{CSV, XLSX, PDF, JSON, NDJSON} }

// Valid reports whether f is one of Formats.
func (f Format) Valid() bool { return slices.Contains(Formats(), f) }

// ContentType is the media type of a file.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8"
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case PDF:
		return "application/pdf"
	case NDJSON:
		return "application/x-ndjson"
	default:
		return "application/json"
	}
}

// Queue holds the export jobs.
const Queue = "export"

// Payload is what a client asks for.
type Payload struct {
	Format Format          `json:"format"`
	Query  json.RawMessage `json:"query"`
	UserID string          `json:"userId"`
}

// Job is a Payload as it is queued: with what the API knows of the caller, and
// what no client can say itself. A job that another producer added without
// these reads the user's own rows.
type Job struct {
	Payload
	TenantID string `json:"tenantId,omitempty"`
	AllRows  bool   `json:"allRows,omitempty"` // the API key has exports:all
}

// Scope is whose rows the job may read.
func (j Job) Scope() dataset.Scope {
	if j.AllRows {
		return dataset.AllRows
	}
	return dataset.OwnRows
}

// Type is the job type of a format.
func Type(f Format) jobs.Type[Job, Result] {
	return jobs.Define[Job, Result](Queue, string(f))
}

// Result is what a finished export returns.
type Result struct {
	DownloadURL string    `json:"downloadUrl"`
	ArtifactID  string    `json:"artifactId"`
	ExpiresAt   time.Time `json:"expiresAt"`
	Rows        int64     `json:"rows"`
	Bytes       int64     `json:"bytes"`
	SHA256      string    `json:"sha256"`
	Format      Format    `json:"format"`
}

// The stages of a run, in Progress.
const (
	StageRows  = "rows"  // reading and encoding
	StageStore = "store" // sending the file to the storage
	StageDone  = "done"
)

// Progress is how far a run has come.
type Progress struct {
	Stage   string `json:"stage"`
	Rows    int64  `json:"rows"`    // encoded so far
	Total   int64  `json:"total"`   // that the query selects
	Percent int    `json:"percent"` // 0 to 100
}

// Validate checks a job before it is queued, so that a mistake is answered at
// once instead of failing later. The error is a jobs.ValidationError whose
// field is format, userId or a place in the query.
func Validate(j Job, catalogue *dataset.Catalogue) error {
	_, err := compile(j.Payload, j.TenantID, j.Scope(), catalogue)
	return err
}

func compile(p Payload, tenantID string, scope dataset.Scope, c *dataset.Catalogue) (*dataset.Statement, error) {
	if !p.Format.Valid() {
		return nil, jobs.Invalid("format", "must be one of %s", formatNames())
	}
	if p.UserID == "" {
		return nil, jobs.Invalid("userId", "must not be empty")
	}
	if len(p.UserID) > maxUserID {
		return nil, jobs.Invalid("userId", "must be at most %d bytes", maxUserID)
	}
	return c.Compile(dataset.Request{Query: p.Query, UserID: p.UserID, TenantID: tenantID, Scope: scope})
}

const maxUserID = 256

func formatNames() string {
	names := make([]string, len(Formats()))
	for i, f := range Formats() {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}
