package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/emailreport"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
)

// EmailPayload asks for a mail.
type EmailPayload struct {
	Template string         `json:"template" doc:"Which mail." example:"welcome"`
	To       string         `json:"to" doc:"The address of its one recipient." example:"ada@example.com"`
	Subject  string         `json:"subject,omitempty" doc:"In place of the template's own."`
	Data     map[string]any `json:"data,omitempty" doc:"What the template shows."`
}

// ExportPayload asks for a file of rows.
type ExportPayload struct {
	Format string          `json:"format" doc:"csv, xlsx, pdf, json or ndjson." example:"csv"`
	Query  json.RawMessage `json:"query" doc:"{dataset?, columns?, where?, orderBy?, limit?}, or column filters on the default dataset."`
	UserID string          `json:"userId" doc:"Whose rows. With exports:all they are everybody's, and the file is not this user's but that of the caller's own user, or nobody's." example:"u-42"`
}

// ReportPayload asks for a report.
type ReportPayload struct {
	ReportType string    `json:"reportType" doc:"Which report." example:"usage"`
	DateRange  DateRange `json:"dateRange"`
	TenantID   string    `json:"tenantId" doc:"Whose report. What belongs to no tenant is in those of the worker's DEFAULT_TENANT, default." example:"acme"`
}

// DateRange is half-open: its end does not belong to it.
type DateRange struct {
	Start string `json:"start" doc:"The first day, or an RFC 3339 time." example:"2026-01-01"`
	End   string `json:"end" doc:"The day or time after the last." example:"2026-02-01"`
}

// EmailReportPayload asks for a report to be mailed, once it is made.
type EmailReportPayload struct {
	ReportJobID string `json:"reportJobId" doc:"The job that makes the report."`
	To          string `json:"to" doc:"Who gets it." example:"ada@example.com"`
}

// task is a job that was checked, but for its id.
type task struct {
	queue   string
	name    string
	payload any
	options jobs.Options
	ownID   bool                                         // its request named the id
	allow   func(ctx context.Context, payload any) error // of its type
}

// jobType is a kind of job that can be asked for.
type jobType struct {
	name    string // as in {"type": …}
	queue   string
	message string // of the 202
	preset  jobs.Options
	payload reflect.Type
	schema  *huma.Schema
	// decode makes a payload of its JSON.
	decode func(raw json.RawMessage) (payload any, err error)
	// read checks a decoded payload and says what to add. Its errors name the
	// payload's fields; one that is a *Problem is about the caller.
	read func(payload any, c Caller) (name string, job any, err error)
	// allow says, with a look at Redis, why a bound caller may not add a checked
	// payload; nil allows all.
	allow func(ctx context.Context, payload any) error
}

// retrying is how often and how a job is tried unless its request says it.
var (
	softly  = jobs.Backoff{Type: jobs.Exponential, Delay: 5 * time.Second, MaxDelay: 10 * time.Minute, Jitter: .25}
	quickly = jobs.Backoff{Type: jobs.Exponential, Delay: 2 * time.Second, MaxDelay: 5 * time.Minute, Jitter: .25}
)

// jobTypes are the types that can be asked for here.
func (a *API) jobTypes() map[string]*jobType {
	all := []*jobType{
		define("email", email.Queue, "Email queued", jobs.Options{Attempts: 5, Backoff: softly}, readEmail),
		define("export", export.Queue, "Export queued", jobs.Options{Attempts: 3, Backoff: quickly}, a.readExport),
		define("report", report.Queue, "Report queued", jobs.Options{Attempts: 3, Backoff: quickly}, a.readReport),
		define("email-report", emailreport.Queue, "Report mail queued", jobs.Options{Attempts: 5, Backoff: softly}, readEmailReport),
	}
	all[len(all)-1].allow = a.ownReport
	types := map[string]*jobType{}
	for _, t := range all {
		if _, there := a.o.Queues[t.queue]; there {
			t.schema = a.huma.OpenAPI().Components.Schemas.Schema(t.payload, true, "")
			types[t.name] = t
		}
	}
	return types
}

// define makes a job type of the function that reads its payload.
func define[P any](name, queue, message string, preset jobs.Options, read func(P, Caller) (string, any, error)) *jobType {
	return &jobType{
		name: name, queue: queue, message: message, preset: preset, payload: reflect.TypeFor[P](),
		decode: func(raw json.RawMessage) (any, error) {
			var p P
			if err := json.Unmarshal(raw, &p); err != nil {
				return nil, unfit(err)
			}
			return p, nil
		},
		read: func(payload any, c Caller) (string, any, error) { return read(payload.(P), c) },
	}
}

// unfit says which field does not fit its type, and not with what.
func unfit(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && wrong.Field != "" && wrong.Type.Kind() >= reflect.Int && wrong.Type.Kind() <= reflect.Int64:
		return jobs.Invalid(wrong.Field, "must be a whole number, written with digits only")
	case ok && wrong.Field != "":
		return jobs.Invalid(wrong.Field, "has a value of another type")
	}
	return jobs.Invalid("payload", "cannot be read")
}

func readEmail(p EmailPayload, _ Caller) (string, any, error) {
	payload := email.Payload{Template: p.Template, To: p.To, Subject: p.Subject, Data: p.Data}
	return email.Type(p.Template).Name(), payload, email.Validate(payload)
}

// readExport takes who the caller is from the key, never from the request.
func (a *API) readExport(p ExportPayload, c Caller) (string, any, error) {
	job := export.Job{
		Payload:  export.Payload{Format: export.Format(p.Format), Query: p.Query, UserID: p.UserID},
		TenantID: c.TenantID,
		AllRows:  c.May(AllExports),
	}
	if err := export.Validate(job, a.o.Catalogue); err != nil {
		return "", nil, err
	}
	return export.Type(job.Format).Name(), job, c.mayUser(p.UserID)
}

func (a *API) readReport(p ReportPayload, c Caller) (string, any, error) {
	payload := report.Payload{ReportType: p.ReportType, DateRange: report.DateRange(p.DateRange), TenantID: p.TenantID}
	if err := report.Validate(payload, a.o.Reports); err != nil {
		return "", nil, err
	}
	return p.ReportType, payload, c.mayTenant(p.TenantID)
}

func readEmailReport(p EmailReportPayload, c Caller) (string, any, error) {
	payload := emailreport.Payload{ReportJobID: p.ReportJobID, To: p.To, TenantID: c.TenantID}
	return emailreport.Type.Name(), payload, emailreport.Validate(payload)
}

// ownReport refuses to mail a report that the caller may not see.
func (a *API) ownReport(ctx context.Context, payload any) error {
	_, err := a.find(ctx, report.Queue, payload.(emailreport.Payload).ReportJobID)
	if err != nil && problemOf(err).Status == http.StatusNotFound {
		return jobs.Invalid("reportJobId", "names no report of yours")
	}
	return err
}
