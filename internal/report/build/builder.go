// Package build makes reports: it reads the rows of one tenant in one range and
// lays what they say out as a document.
//
//	Request{name, tenant, range} ──► one to five SELECTs ──► counts by bucket ──► Document
//
// Every SELECT has the tenant and the range bound as parameters, groups in the
// database, and returns at most a bounded number of rows for each day; nothing
// is read row by row except sorted histograms, which are folded as they stream.
// Days are cut in Go, where time zones are known, and handed to the database as
// boundaries, so one statement serves SQLite and PostgreSQL, and a day with a
// clock change is one day.
package build

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// Querier reads a database. A *sql.DB is one.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Options are what a Builder needs.
type Options struct {
	// Service is the database with the service's own tables. Required.
	Service Querier
	// Operator is the database that definitions read; nil is Service.
	Operator Querier
	// Definitions are the operator's reports.
	Definitions []report.Definition
	// DefaultTenant is the tenant whose reports have the service's own rows that
	// belong to no tenant too; empty is none.
	DefaultTenant string
	// Targets are the service levels of the sla report.
	Targets Targets
	// Now tells the time that is written on a report; nil is time.Now.
	Now func() time.Time
}

// Builder makes documents. It may be used by many goroutines at once.
type Builder struct {
	service       Querier
	catalogue     report.Catalogue
	reports       map[string]reportFunc
	defaultTenant string
	targets       Targets
	now           func() time.Time
}

// Request names one report to build.
type Request struct {
	Report   string
	TenantID string
	Range    report.Range
}

// reportFunc fills in what a report says; its title, tenant and range are set.
type reportFunc func(context.Context, Request, *document.Document) error

// New returns a Builder, or says which definition is not valid.
func New(o Options) (*Builder, error) {
	if o.Service == nil {
		return nil, errors.New("report builder: the service's database is missing")
	}
	catalogue, err := report.NewCatalogue(o.Definitions...)
	if err != nil {
		return nil, err
	}
	b := &Builder{
		service: o.Service, catalogue: catalogue, defaultTenant: o.DefaultTenant, targets: o.Targets.withDefaults(), now: o.Now,
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.reports = map[string]reportFunc{
		report.Usage:         b.usage,
		report.EmailDelivery: b.emailDelivery,
		report.Signups:       b.signups,
		report.Errors:        b.errors,
		report.SLA:           b.sla,
	}
	operator := o.Operator
	if operator == nil {
		operator = o.Service
	}
	for _, d := range o.Definitions {
		b.reports[d.Name] = custom{definition: withDefaults(d), db: operator}.build
	}
	return b, nil
}

// Catalogue lists the reports that the builder makes.
func (b *Builder) Catalogue() report.Catalogue { return b.catalogue }

// Build reads and lays out one report. An unknown name is permanent; an error
// of the database is not, since it may be gone on the next attempt.
func (b *Builder) Build(ctx context.Context, r Request) (document.Document, error) {
	entry, known := b.catalogue.Find(r.Report)
	if !known {
		return document.Document{}, jobs.Unrecoverable(jobs.Invalid("reportType", "names no report that this worker makes"))
	}
	doc := document.Document{
		Report:      entry.Name,
		Title:       entry.Title,
		Description: entry.Description,
		Tenant:      r.TenantID,
		Range:       describe(r.Range),
		GeneratedAt: b.now().UTC().Truncate(time.Second),
	}
	if err := b.reports[r.Report](ctx, r, &doc); err != nil {
		return document.Document{}, fmt.Errorf("build %s report: %w", r.Report, err)
	}
	return doc, nil
}

// tenants are the values of tenant_id whose rows a report about a tenant has.
// Accounts that people registered, their mails and the jobs of callers who are
// bound to no tenant have an empty one.
func (b *Builder) tenants(asked string) []string {
	if asked == b.defaultTenant {
		return []string{asked, ""}
	}
	return []string{asked}
}

func describe(r report.Range) document.Range {
	return document.Range{
		Start:     r.Start,
		End:       r.End,
		TimeZone:  r.Start.Location().String(),
		Days:      r.Days(),
		WholeDays: r.WholeDays(),
	}
}
