package workerapp

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/export"
	exportrender "github.com/tandemq/tandem/internal/export/render"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/build"
	"github.com/tandemq/tandem/internal/report/maker"
	reportrender "github.com/tandemq/tandem/internal/report/render"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
)

func (a *App) makeMailer(t *boot.Teardown) (*email.Mailer, error) {
	server, err := email.ParseServer(a.config.Mail.SMTPURL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("SMTP_URL: %w", err)
	}
	key, err := a.addressKey()
	if err != nil {
		return nil, err
	}
	smtp := email.NewSMTP(server, nil)
	t.Add("smtp", func(context.Context) error {
		smtp.Close()
		return nil
	})
	mailer, err := email.New(smtp, email.NewLedger(a.database.Write), email.Options{
		From: a.config.Mail.From, HashKey: key, Logger: a.host.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("make mailer: %w", err)
	}
	return mailer, nil
}

// addressKey keys the hashes of recorded addresses. Without one of its own it is
// derived from the key that signs links, so that one secret is enough to start.
func (a *App) addressKey() ([]byte, error) {
	if own := a.config.Mail.AddressHashKey; own.IsSet() {
		return []byte(own.Reveal()), nil
	}
	keys, err := parts.SigningKeys(a.config.Files, a.config.DataDir)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, []byte(keys[0]), nil, "tandem recorded addresses", 32)
}

func (a *App) makeExporter(ctx context.Context, t *boot.Teardown) (*export.Exporter, error) {
	catalogue, err := dataset.Load(a.config.Datasets.File)
	if err != nil {
		return nil, err
	}
	operator, err := a.operatorDatabase(ctx, t)
	if err != nil {
		return nil, err
	}
	rows := dataset.NewReader(a.database.Read, operator)
	if err := rows.Check(ctx, catalogue); err != nil {
		return nil, fmt.Errorf("check datasets: %w", err)
	}
	temp, err := openTempDir(os.TempDir(), a.host.Logger)
	if err != nil {
		return nil, err
	}
	t.AddClose("temporary files", temp.close)
	files := exportFiles{a.files}
	artifacts := exportArtifacts{store.NewArtifacts(a.database)}
	a.sweep = export.NewSweeper(files, artifacts, 0)
	encoders := exportrender.Encoders(exportrender.Options{TempDir: temp.path})
	return export.New(catalogue, rows, encoders, files, artifacts, a.exportOptions(temp.path)), nil
}

func (a *App) exportOptions(temp string) export.Options {
	return export.Options{
		Lifetime: a.config.Files.ArtifactTTL, MaxBytes: a.config.Work.ExportMaxBytes, TempDir: temp, Logger: a.host.Logger,
	}
}

func (a *App) makeReporter(ctx context.Context, t *boot.Teardown) (*maker.Maker, error) {
	definitions, err := report.LoadDefinitions(a.config.Datasets.File)
	if err != nil {
		return nil, err
	}
	operator, err := a.operatorDatabase(ctx, t)
	if err != nil {
		return nil, err
	}
	options := build.Options{Service: a.database.Read, Definitions: definitions, DefaultTenant: a.config.Reports.DefaultTenant}
	if operator != nil {
		options.Operator = operator
	}
	builder, err := build.New(options)
	if err != nil {
		return nil, fmt.Errorf("make reports: %w", err)
	}
	renderer, err := reportrender.New()
	if err != nil {
		return nil, fmt.Errorf("make reports: %w", err)
	}
	zones := func(_ context.Context, tenant string) (*time.Location, error) {
		return a.config.Reports.Zone(tenant), nil
	}
	return maker.New(maker.Options{
		Zones: zones, Builder: builder, Renderer: renderer, Keep: a.config.Files.ArtifactTTL, Log: a.host.Logger,
		Storage: reportFiles{a.files}, Artifacts: reportArtifacts{store.NewArtifacts(a.database)},
	})
}

// downloadPath is where the API serves an artifact.
func downloadPath(id string) string {
	return "/api/v1/artifacts/" + url.PathEscape(id) + "/download"
}

// exportFiles is a storage as exports want it.
type exportFiles struct{ storage.Store }

func (f exportFiles) Put(ctx context.Context, key string, r io.Reader, contentType string) (int64, string, error) {
	object, err := f.Store.Put(ctx, key, r, storage.Meta{ContentType: contentType})
	return object.Bytes, object.SHA256, err
}

func (f exportFiles) SignedURL(ctx context.Context, a export.Artifact) (string, error) {
	return f.Store.SignedURL(ctx, storage.Link{
		Key: a.StorageKey, Path: downloadPath(a.ID), Filename: a.Filename, Owner: a.OwnerID, Expires: a.ExpiresAt,
	})
}

// exportArtifacts is the table of artifacts as exports want it.
type exportArtifacts struct{ *store.Artifacts }

func (t exportArtifacts) Create(ctx context.Context, a export.Artifact) error {
	return forGood(t.Artifacts.Create(ctx, store.Artifact(a)))
}

// forGood fails a job at once whose file is another's: the next attempt would
// meet the same row.
func forGood(err error) error {
	if errors.Is(err, store.ErrArtifactTaken) {
		return jobs.Unrecoverable(err)
	}
	return err
}

func (t exportArtifacts) Expired(ctx context.Context, now time.Time, limit int) ([]export.Artifact, error) {
	rows, err := t.Artifacts.Expired(ctx, now, limit)
	expired := make([]export.Artifact, len(rows))
	for i, row := range rows {
		expired[i] = export.Artifact(row)
	}
	return expired, err
}

// reportFiles is a storage as reports want it.
type reportFiles struct{ storage.Store }

func (f reportFiles) Put(ctx context.Context, key string, r io.Reader, contentType string) error {
	_, err := f.Store.Put(ctx, key, r, storage.Meta{ContentType: contentType})
	return err
}

func (f reportFiles) SignedURL(ctx context.Context, a maker.Artifact) (string, error) {
	return f.Store.SignedURL(ctx, storage.Link{
		Key: a.StorageKey, Path: downloadPath(a.ID), Filename: a.Filename, Owner: a.Owner, Expires: a.ExpiresAt,
	})
}

// reportArtifacts is the table of artifacts as reports want it.
type reportArtifacts struct{ *store.Artifacts }

func (t reportArtifacts) Save(ctx context.Context, a maker.Artifact) error {
	return forGood(t.Artifacts.Create(ctx, store.Artifact{
		ID: a.ID, Kind: "report", OwnerID: a.Owner, TenantID: a.TenantID, StorageKey: a.StorageKey,
		Filename: a.Filename, ContentType: a.ContentType, Bytes: a.Bytes, SHA256: a.SHA256, Rows: a.Rows,
		JobID: a.JobID, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt,
	}))
}

// operatorDatabase is what the operator's datasets and reports read; nil is the
// service's own. It is opened once.
func (a *App) operatorDatabase(ctx context.Context, t *boot.Teardown) (*sql.DB, error) {
	if a.operator != nil || !a.config.Datasets.DatabaseURL.IsSet() {
		return a.operator, nil
	}
	db, err := store.OpenForeign(ctx, store.Options{
		URL: a.config.Datasets.DatabaseURL.Reveal(), MaxConns: a.config.Database.MaxConns,
		Patience: a.config.Database.Patience,
	})
	if err != nil {
		return nil, fmt.Errorf("open DATASETS_DATABASE_URL: %w", err)
	}
	a.operator = db.Read
	t.AddClose("datasets database", db.Close)
	return a.operator, nil
}
