package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tandemq/tandem/internal/jobs"
)

// EmailRequest, ExportRequest and ReportRequest are a payload with the options
// of its job beside it.
type (
	EmailRequest struct {
		EmailPayload
		Options *JobOptions `json:"options,omitempty"`
	}
	ExportRequest struct {
		ExportPayload
		Options *JobOptions `json:"options,omitempty"`
	}
	ReportRequest struct {
		ReportPayload
		Options *JobOptions `json:"options,omitempty"`
	}
	// JobRequest is a job of any type.
	JobRequest struct {
		Type    string          `json:"type" doc:"email, export, report or email-report." example:"email"`
		Payload json.RawMessage `json:"payload" doc:"What the type needs."`
		Options *JobOptions     `json:"options,omitempty"`
	}
)

// Queued acknowledges a job: it is stored.
type Queued struct {
	Message   string `json:"message" example:"Email queued"`
	JobID     string `json:"jobId"`
	Queue     string `json:"queue" example:"email"`
	StatusURL string `json:"statusUrl" doc:"Where to look at the job." example:"/api/v1/jobs/email/0198c0de-0000-7000-8000-000000000000"`
	Duplicate bool   `json:"duplicate,omitempty" doc:"A job with the jobId was there already and stays as it is."`
}

// AddHeaders are what every request that adds jobs may have. They are read on the way
// to the handler and stand here for the documentation.
type AddHeaders struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"The same key and body give the same answer, and no second job."`
}

// adding is a request whose body, of type B, asks for a job.
type adding[B any] struct {
	AddHeaders
	Body B
}

type queuedOutput struct {
	Location string `header:"Location" doc:"The statusUrl."`
	Body     Queued
}

func (a *API) addEmail(ctx context.Context, in *adding[EmailRequest]) (*queuedOutput, error) {
	return enqueue(ctx, a, "email", in.Body.EmailPayload, in.Body.Options)
}

func (a *API) addExport(ctx context.Context, in *adding[ExportRequest]) (*queuedOutput, error) {
	return enqueue(ctx, a, "export", in.Body.ExportPayload, in.Body.Options)
}

func (a *API) addReport(ctx context.Context, in *adding[ReportRequest]) (*queuedOutput, error) {
	return enqueue(ctx, a, "report", in.Body.ReportPayload, in.Body.Options)
}

func (a *API) addJob(ctx context.Context, in *adding[JobRequest]) (*queuedOutput, error) {
	t, err := a.typeOf(in.Body.Type)
	if err != nil {
		return nil, err
	}
	payload, err := a.decode(t, in.Body.Payload)
	if err != nil {
		return nil, under("payload", err)
	}
	return a.add(ctx, t, "payload", payload, in.Body.Options)
}

// enqueue adds a job whose payload, of the type's own Go type, stands at the top
// of the body.
func enqueue(ctx context.Context, a *API, name string, payload any, o *JobOptions) (*queuedOutput, error) {
	t, err := a.typeOf(name)
	if err != nil {
		return nil, problem("not-found", "This API has no queue for jobs of this type.")
	}
	return a.add(ctx, t, "", payload, o)
}

func (a *API) typeOf(name string) (*jobType, error) {
	t, ok := a.types[name]
	if !ok {
		return nil, jobs.Invalid("type", "must be one of %s", list(a.typeNames))
	}
	return t, nil
}

// decode reads a payload that fits its schema, as huma reads bodies.
func (a *API) decode(t *jobType, raw json.RawMessage) (any, error) {
	if err := a.checkSchema(t.schema, raw); err != nil {
		return nil, err
	}
	return t.decode(raw)
}

func (a *API) checkSchema(schema *huma.Schema, raw json.RawMessage) error {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return unfit(err)
	}
	var result huma.ValidateResult
	huma.Validate(a.huma.OpenAPI().Components.Schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	return schemaErrors(result.Errors)
}

// add checks and stores one job. place is where the payload stands in the body.
func (a *API) add(ctx context.Context, t *jobType, place string, payload any, o *JobOptions) (*queuedOutput, error) {
	work, err := a.prepare(ctx, t, place, payload, o, 0)
	if err != nil {
		return nil, err
	}
	if err := a.allow(ctx, work); err != nil {
		return nil, under(place, err)
	}
	queue := a.o.Queues[t.queue]
	if err := a.fit(); err != nil {
		return nil, cmp.Or(refusal(queue, work), err)
	}
	// Adding checks the job first, as Check does: checking here too would encode
	// everything twice.
	added, err := queue.Add(ctx, work.name, work.payload, work.options)
	if errors.Is(err, jobs.ErrInvalid) {
		return nil, under("options", err)
	}
	if err != nil {
		return nil, fmt.Errorf("add job: %w", err)
	}
	duplicate := added.Existed && work.ownID
	if duplicate {
		if err := a.claim(ctx, work); err != nil {
			return nil, err
		}
	}
	a.metrics.accepted.WithLabelValues(t.queue).Inc()
	where := jobURL(t.queue, added.ID)
	return &queuedOutput{Location: where, Body: Queued{
		Message: t.message, JobID: added.ID, Queue: t.queue, StatusURL: where,
		Duplicate: duplicate,
	}}, nil
}

// refusal is what a queue would refuse a job for, whatever state Redis is in.
func refusal(q Adder, work *task) error {
	return under("options", q.Check(work.name, work.payload, work.options))
}

// prepare does everything that can be done without Redis, but for what refusal
// finds; allow does the rest. n is the job's number in its request.
func (a *API) prepare(ctx context.Context, t *jobType, place string, payload any, o *JobOptions, n int) (*task, error) {
	c := callOf(ctx)
	name, payload, err := t.read(payload, c.caller)
	if err != nil {
		return nil, under(place, err)
	}
	options, err := o.apply(t.preset)
	if err != nil {
		return nil, under("options", err)
	}
	ownID := options.ID != ""
	if !ownID {
		if options.ID, err = jobID(c, n); err != nil {
			return nil, fmt.Errorf("job id: %w", err)
		}
	}
	options.Trace = a.carrier(ctx)
	return &task{queue: t.queue, name: name, payload: payload, options: options, ownID: ownID, allow: t.allow}, nil
}

// allow says why the caller may not add a job, which can take a look at Redis.
func (a *API) allow(ctx context.Context, work *task) error {
	if work.allow == nil || !callOf(ctx).caller.bound() {
		return nil
	}
	return work.allow(ctx, work.payload)
}

// claim says why a job that has the id of an own jobId cannot stand for the one
// that was asked for: ids are shared by all callers of a queue, and the job is
// one that this caller may not see. A job that is gone is nobody's.
func (a *API) claim(ctx context.Context, work *task) error {
	c := callOf(ctx).caller
	if !work.ownID || !c.bound() {
		return nil
	}
	job, _, err := a.job(ctx, work.queue, work.options.ID)
	switch {
	case err != nil && problemOf(err).Status == http.StatusNotFound:
		return nil
	case err != nil || c.sees(job):
		return err
	}
	return problem("id-taken", "A job that is not yours has this id, so nothing was stored.",
		FieldError{"options.jobId", "is taken: choose another id; nothing was stored"})
}

// fit refuses a job that Redis could lose.
func (a *API) fit() error {
	if a.o.Fit == nil {
		return nil
	}
	if err := a.o.Fit(); err != nil {
		return fmt.Errorf("%w: %w", unavailable("Redis is not in a state in which an accepted job would be safe."), err)
	}
	return nil
}

// jobURL is where a job is shown.
func jobURL(queue, id string) string {
	return "/api/v1/jobs/" + url.PathEscape(queue) + "/" + url.PathEscape(id)
}
