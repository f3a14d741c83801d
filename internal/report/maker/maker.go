// Package maker runs one report job: it builds the document, renders it three
// ways, stores the files, and answers with links to them.
//
//	resolve range ─► build ─► render html, pdf, json ─► store ─► record ─► links
//
// A job can run again after any step, on this worker or another: file names and
// artifact ids derive from the job's id, so a second run writes over the first.
// What would fail every time is marked jobs.Unrecoverable; whatever an outage
// can cause is not.
package maker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/build"
	"github.com/tandemq/tandem/internal/report/document"
)

// Storage is where files go. Writing a key again replaces what is there.
type Storage interface {
	Put(ctx context.Context, key string, body io.Reader, contentType string) error
	// SignedURL is a link to the stored file that works until a.ExpiresAt and
	// offers it under a.Filename.
	SignedURL(ctx context.Context, a Artifact) (string, error)
}

// Artifacts is where files are recorded. Saving an id again replaces its record.
type Artifacts interface {
	Save(ctx context.Context, a Artifact) error
}

// Artifact is the record of one stored file.
type Artifact struct {
	ID          string
	Owner       string // the user who asked; empty for a job without one
	TenantID    string
	StorageKey  string
	Filename    string
	ContentType string
	Bytes       int64
	SHA256      string // hex
	Rows        int64  // table rows in the report
	JobID       string
	CreatedAt   time.Time
	ExpiresAt   time.Time
}

// Builder makes documents. A *build.Builder is one.
type Builder interface {
	Build(ctx context.Context, r build.Request) (document.Document, error)
	Catalogue() report.Catalogue
}

// Renderer draws a document in each format. A *render.Renderer is one.
type Renderer interface {
	HTML(document.Document) ([]byte, error)
	PDF(document.Document) ([]byte, error)
	JSON(document.Document) ([]byte, error)
}

// Zones finds the time zone of a tenant.
type Zones func(ctx context.Context, tenantID string) (*time.Location, error)

// Options are what a Maker needs.
type Options struct {
	Builder   Builder   // required
	Renderer  Renderer  // required
	Storage   Storage   // required
	Artifacts Artifacts // required
	// Zones finds a tenant's time zone; nil is UTC for everybody.
	Zones Zones
	// Keep is how long files are kept and links work; 0 is seven days.
	Keep time.Duration
	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// Log hears of progress reports that did not get through; nil discards.
	Log *slog.Logger
}

const defaultKeep = 7 * 24 * time.Hour

// Maker makes reports. It may be used by many goroutines at once.
type Maker struct{ o Options }

// New returns a Maker, or says what is missing.
func New(o Options) (*Maker, error) {
	if o.Builder == nil || o.Renderer == nil || o.Storage == nil || o.Artifacts == nil {
		return nil, errors.New("report maker: builder, renderer, storage and artifacts are required")
	}
	if o.Zones == nil {
		o.Zones = func(context.Context, string) (*time.Location, error) { return time.UTC, nil }
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Maker{o}, nil
}

// Request is one report job.
type Request struct {
	JobID   string
	Owner   string // the user who asked; may be empty
	Payload report.Payload
	// Progress hears how far the job is, from 0 to 100, and at what; nil is fine.
	Progress func(ctx context.Context, percent int, stage string) error
}

// Run makes the report. A cancelled context stops it between and within steps,
// and the error is then the context's cause.
func (m *Maker) Run(ctx context.Context, r Request) (report.Result, error) {
	result, err := m.run(ctx, r)
	if err != nil && ctx.Err() != nil {
		return report.Result{}, context.Cause(ctx)
	}
	return result, err
}

func (m *Maker) run(ctx context.Context, r Request) (report.Result, error) {
	span, err := m.resolve(ctx, r.Payload)
	if err != nil {
		return report.Result{}, err
	}
	if err := m.progress(ctx, r, 5, "reading"); err != nil {
		return report.Result{}, err
	}
	doc, err := m.o.Builder.Build(ctx, build.Request{Report: r.Payload.ReportType, TenantID: r.Payload.TenantID, Range: span})
	if err != nil {
		return report.Result{}, err
	}
	files, err := m.render(ctx, r, doc)
	if err != nil {
		return report.Result{}, err
	}
	result, err := m.store(ctx, r, doc, files)
	if err != nil {
		return report.Result{}, err
	}
	m.tell(ctx, r, 100, "done")
	return result, nil
}

// resolve checks the payload once more, since other producers add jobs too, and
// finds the instants that its dates mean for the tenant.
func (m *Maker) resolve(ctx context.Context, p report.Payload) (report.Range, error) {
	if err := report.Validate(p, m.o.Builder.Catalogue()); err != nil {
		return report.Range{}, jobs.Unrecoverable(err)
	}
	zone, err := m.o.Zones(ctx, p.TenantID)
	if err != nil {
		return report.Range{}, fmt.Errorf("find the tenant's time zone: %w", err)
	}
	span, err := p.DateRange.Resolve(zone)
	return span, jobs.Unrecoverable(err)
}

// progress tells how far the job is, and stops it when it was cancelled.
func (m *Maker) progress(ctx context.Context, r Request, percent int, stage string) error {
	m.tell(ctx, r, percent, stage)
	return context.Cause(ctx)
}

// tell reports progress. That a report of progress is lost is no reason to lose
// the report itself.
func (m *Maker) tell(ctx context.Context, r Request, percent int, stage string) {
	if r.Progress == nil {
		return
	}
	if err := r.Progress(ctx, percent, stage); err != nil && ctx.Err() == nil {
		m.o.Log.WarnContext(ctx, "progress not reported", "queue", report.Queue, "job_id", r.JobID, "error", err)
	}
}

// file is one rendering of a report.
type file struct {
	name        string // what its key ends with
	contentType string
	body        []byte
}

func (m *Maker) render(ctx context.Context, r Request, doc document.Document) ([]file, error) {
	steps := []struct {
		percent int
		stage   string
		file    file
		draw    func(document.Document) ([]byte, error)
	}{
		{50, "drawing the page", file{name: "report.html", contentType: "text/html; charset=utf-8"}, m.o.Renderer.HTML},
		{65, "drawing the pdf", file{name: "report.pdf", contentType: "application/pdf"}, m.o.Renderer.PDF},
		{80, "writing the numbers", file{name: "report.json", contentType: "application/json"}, m.o.Renderer.JSON},
	}
	var files []file
	for _, step := range steps {
		if err := m.progress(ctx, r, step.percent, step.stage); err != nil {
			return nil, err
		}
		body, err := step.draw(doc)
		if err != nil {
			return nil, jobs.Unrecoverable(err) // the same document fails in the same way
		}
		step.file.body = body
		files = append(files, step.file)
	}
	return files, nil
}

func (m *Maker) store(ctx context.Context, r Request, doc document.Document, files []file) (report.Result, error) {
	result := report.Result{
		Title: doc.Title, ReportType: doc.Report, Period: doc.Range.String(), Empty: doc.Empty,
		ExpiresAt: m.o.Now().Add(m.o.Keep).UTC().Truncate(time.Second),
	}
	urls := make([]string, len(files))
	for i, f := range files {
		if err := m.progress(ctx, r, 85+4*i, "storing"); err != nil {
			return report.Result{}, err
		}
		a := m.artifact(r, doc, f, result.ExpiresAt)
		var err error
		if urls[i], err = m.keep(ctx, a, f); err != nil {
			return report.Result{}, err
		}
		if i == 0 {
			result.ArtifactID = a.ID
		}
		result.Bytes += a.Bytes
	}
	result.DownloadURL, result.PDFURL, result.JSONURL = urls[0], urls[1], urls[2]
	return result, nil
}

// keep stores one file, then records it: a record without a file would promise
// what is not there.
func (m *Maker) keep(ctx context.Context, a Artifact, f file) (url string, err error) {
	if err := m.o.Storage.Put(ctx, a.StorageKey, bytes.NewReader(f.body), f.contentType); err != nil {
		return "", fmt.Errorf("store %s: %w", f.name, err)
	}
	if err := m.o.Artifacts.Save(ctx, a); err != nil {
		return "", fmt.Errorf("record %s: %w", f.name, err)
	}
	if url, err = m.o.Storage.SignedURL(ctx, a); err != nil {
		return "", fmt.Errorf("sign a link to %s: %w", f.name, err)
	}
	return url, nil
}

func (m *Maker) artifact(r Request, doc document.Document, f file, expires time.Time) Artifact {
	sum := sha256.Sum256(f.body)
	return Artifact{
		ID:          r.derived(f.name),
		Owner:       r.Owner,
		TenantID:    r.Payload.TenantID,
		StorageKey:  "reports/" + r.derived("") + "/" + f.name,
		Filename:    filename(doc, f.name),
		ContentType: f.contentType,
		Bytes:       int64(len(f.body)),
		SHA256:      hex.EncodeToString(sum[:]),
		Rows:        rowsOf(doc),
		JobID:       r.JobID,
		CreatedAt:   doc.GeneratedAt,
		ExpiresAt:   expires,
	}
}

// derived is a name made from the job's id, which a caller may have chosen: it
// is safe in a path and a URL, and the same on every run of the job. Tenant and
// owner are part of it, so an id used again by others never meets their files.
func (r Request) derived(part string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"report", r.JobID, r.Payload.TenantID, r.Owner, part}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// filename is what a browser saves the file as: the names in it are checked by
// the catalogue, and the days are digits.
func filename(doc document.Document, name string) string {
	days := doc.Range.Start.Format(time.DateOnly) + "_" + doc.Range.End.Add(-1).Format(time.DateOnly)
	return doc.Report + "_" + days + name[len("report"):]
}

func rowsOf(doc document.Document) int64 {
	var rows int64
	for _, s := range doc.Sections {
		if s.Table != nil {
			rows += int64(len(s.Table.Rows))
		}
	}
	return rows
}
