package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
)

// Options change how exports are made. The zero value is what a deployment
// starts with.
type Options struct {
	// Lifetime is how long a file can be downloaded; 0 is 24 hours. Presigned
	// URLs of S3 allow seven days at most.
	Lifetime time.Duration
	// MaxPDFRows caps the rows of a PDF, which is held in memory; 0 is 50,000.
	MaxPDFRows int64
	// MaxBytes caps what a run takes on the disk: the file, and what its encoder
	// keeps beside it; 0 is 1 GiB.
	MaxBytes int64
	// ProgressEvery is the number of rows between progress reports; 0 is 5,000.
	ProgressEvery int64
	// TempDir is where a file is made before it is stored; empty is the
	// system's.
	TempDir string
	Now     func() time.Time // nil is time.Now
	Logger  *slog.Logger     // nil is silent
}

func (o Options) withDefaults() Options {
	if o.Lifetime == 0 {
		o.Lifetime = 24 * time.Hour
	}
	if o.MaxPDFRows == 0 {
		o.MaxPDFRows = 50_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.ProgressEvery == 0 {
		o.ProgressEvery = 5_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Rows opens a compiled query; *dataset.Reader does.
type Rows interface {
	Open(ctx context.Context, s *dataset.Statement) (*dataset.Cursor, error)
}

// Exporter makes files. It may run many exports at once.
type Exporter struct {
	catalogue *dataset.Catalogue
	rows      Rows
	encode    NewEncoder
	files     Files
	artifacts Artifacts
	o         Options
}

// New joins the parts.
func New(catalogue *dataset.Catalogue, rows Rows, encode NewEncoder, files Files, artifacts Artifacts, o Options) *Exporter {
	return &Exporter{catalogue: catalogue, rows: rows, encode: encode, files: files, artifacts: artifacts, o: o.withDefaults()}
}

// Request is one export to make.
type Request struct {
	JobID    string
	TenantID string
	Scope    dataset.Scope
	Owner    string // the user whose file it will be; empty is nobody's
	Payload  Payload
	// Progress hears how far the run has come; nil is nobody. Its error is
	// logged and does not stop the run: the file matters more.
	Progress func(ctx context.Context, p Progress) error
}

// NewRequest is the request of a queued job, whose file will be the owner's.
func NewRequest(jobID, owner string, j Job, progress func(ctx context.Context, p Progress) error) Request {
	return Request{JobID: jobID, TenantID: j.TenantID, Scope: j.Scope(), Owner: owner, Payload: j.Payload, Progress: progress}
}

// Run makes the file of a request, stores it and records it. When ctx is
// cancelled it stops before the next row and returns the cause.
func (e *Exporter) Run(ctx context.Context, req Request) (Result, error) {
	statement, err := compile(req.Payload, req.TenantID, req.Scope, e.catalogue)
	if err != nil {
		return Result{}, jobs.Unrecoverable(err)
	}
	file, err := os.CreateTemp(e.o.TempDir, "tandem-export-*")
	if err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	defer e.discard(ctx, file)
	made := &run{Exporter: e, req: req, statement: statement, file: file}
	if err := made.fill(ctx); err != nil {
		return Result{}, explain(ctx, err)
	}
	result, err := made.store(ctx)
	return result, explain(ctx, err)
}

// explain marks what a retry cannot mend, and adds why ctx was cancelled to
// errors that came of it: drivers say only that it was.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case errors.Is(err, dataset.ErrWrongType), errors.Is(err, dataset.ErrRefused):
		return jobs.Unrecoverable(err)
	default:
		return err
	}
}

func (e *Exporter) discard(ctx context.Context, file *os.File) {
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		e.o.Logger.WarnContext(ctx, "export left a temporary file", "file", file.Name(), "error", err)
	}
}

// run is one export under way.
type run struct {
	*Exporter
	req       Request
	statement *dataset.Statement
	file      *os.File
	rows      int64
	total     int64
}

// fill reads the rows and encodes them into the temporary file. The database
// is let go of before the file is stored.
func (r *run) fill(ctx context.Context) (err error) {
	cursor, err := r.Exporter.rows.Open(ctx, r.statement)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	if r.total, err = cursor.Count(ctx); err != nil {
		return err
	}
	if err := r.checkRows(r.total); err != nil {
		return err
	}
	r.report(ctx, StageRows)
	share := &space{left: r.o.MaxBytes}
	encoder, err := r.encode(r.req.Payload.Format, &limitedWriter{w: r.file, space: share}, r.sheet(share))
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer func() { err = errors.Join(err, encoder.Close()) }()
	if err := r.encodeRows(ctx, cursor, encoder); err != nil {
		return err
	}
	return encoder.Finish()
}

func (r *run) sheet(share *space) Sheet {
	return Sheet{Title: r.statement.Dataset.Title, Columns: r.statement.Columns, Total: r.total, Made: r.o.Now().UTC(), Take: share.take}
}

func (r *run) encodeRows(ctx context.Context, cursor *dataset.Cursor, encoder Encoder) error {
	for row, err := range cursor.Rows(ctx) {
		if err != nil {
			return err
		}
		r.rows++
		if err := r.checkRows(r.rows); err != nil {
			return err
		}
		if err := encoder.Write(row); err != nil {
			return fmt.Errorf("export row %d: %w", r.rows, err)
		}
		if r.rows%r.o.ProgressEvery == 0 {
			r.report(ctx, StageRows)
		}
	}
	return nil
}

// checkRows is asked before the first row, so that a hopeless export costs one
// count, and on every row, because a database may promise less than a snapshot.
func (r *run) checkRows(rows int64) error {
	if r.req.Payload.Format == PDF && rows > r.o.MaxPDFRows {
		return tooManyRows(PDF, max(rows, r.total), r.o.MaxPDFRows)
	}
	return nil
}

// store sends the finished file, and records it once it is safe. A link comes
// last: whatever fails after the file is there, its row leads the sweep to it.
func (r *run) store(ctx context.Context) (Result, error) {
	r.report(ctx, StageStore)
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	a := artifactOf(r.req, r.statement, r.o.Now(), r.o.Lifetime)
	a.Rows = r.rows
	var err error
	if a.Bytes, a.SHA256, err = r.files.Put(ctx, a.StorageKey, r.file, a.ContentType); err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	if err := r.artifacts.Create(ctx, a); err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	address, err := r.files.SignedURL(ctx, a)
	if err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	r.report(ctx, StageDone)
	return Result{
		DownloadURL: address, ArtifactID: a.ID, ExpiresAt: a.ExpiresAt,
		Rows: a.Rows, Bytes: a.Bytes, SHA256: a.SHA256, Format: r.req.Payload.Format,
	}, nil
}

func (r *run) report(ctx context.Context, stage string) {
	if r.req.Progress == nil {
		return
	}
	p := Progress{Stage: stage, Rows: r.rows, Total: r.total, Percent: percent(stage, r.rows, r.total)}
	if err := r.req.Progress(ctx, p); err != nil && ctx.Err() == nil {
		r.o.Logger.WarnContext(ctx, "export progress was not reported", "job_id", r.req.JobID, "error", err)
	}
}

// percent leaves the last tenth for storing the file.
func percent(stage string, rows, total int64) int {
	switch {
	case stage == StageDone:
		return 100
	case stage == StageStore:
		return 90
	case total == 0:
		return 0
	default:
		return int(min(rows, total) * 90 / total)
	}
}
