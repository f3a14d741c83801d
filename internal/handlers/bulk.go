package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/tandemq/tandem/internal/jobs"
)

// MaxBulk is how many jobs one request may add.
const MaxBulk = 1000

// BulkRequest is many jobs at once.
type BulkRequest struct {
	Jobs []json.RawMessage `json:"jobs" minItems:"1" maxItems:"1000" nullable:"false"`
}

// BulkJob is one of them.
type BulkJob struct {
	Data    BulkData    `json:"data"`
	Options *JobOptions `json:"options,omitempty"`
}

// BulkData is what a job of a bulk is about.
type BulkData struct {
	Type    string          `json:"type" doc:"email, export, report or email-report." example:"email"`
	Payload json.RawMessage `json:"payload" doc:"What the type needs."`
}

// BulkQueued acknowledges a bulk.
type BulkQueued struct {
	Message  string       `json:"message" example:"2 jobs queued"`
	Queued   int          `json:"queued"`
	Rejected int          `json:"rejected"`
	Results  []BulkResult `json:"results" nullable:"false" doc:"One for each job, in the order of the request."`
}

// BulkResult is what became of one job of a bulk.
type BulkResult struct {
	Index     int          `json:"index"`
	Status    string       `json:"status" enum:"queued,rejected,unknown" doc:"unknown: Redis did not say whether it has the job."`
	JobID     string       `json:"jobId,omitempty"`
	Queue     string       `json:"queue,omitempty"`
	StatusURL string       `json:"statusUrl,omitempty"`
	Duplicate bool         `json:"duplicate,omitempty"`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false"`
}

type bulkOutput struct{ Body BulkQueued }

func (a *API) addBulk(ctx context.Context, in *struct {
	AddHeaders
	Partial bool `query:"partial" doc:"Add the good ones although others are not; otherwise it is all or nothing."`
	Body    BulkRequest
}) (*bulkOutput, error) {
	b := bulk{api: a, tasks: make([]*task, len(in.Body.Jobs)), results: make([]BulkResult, len(in.Body.Jobs))}
	for i, raw := range in.Body.Jobs {
		b.prepare(ctx, i, raw)
	}
	// Checking a thousand jobs takes its time; what Redis may take begins here.
	ctx, cancel := a.budget(ctx)
	defer cancel()
	if err := b.allow(ctx); err != nil {
		return nil, err
	}
	if err := b.refused(in.Partial); err != nil {
		return nil, err
	}
	if err := a.fit(); err != nil {
		return nil, err
	}
	if err := b.store(ctx); err != nil {
		return nil, err
	}
	return &bulkOutput{b.answer()}, nil
}

// bulk is a request that adds many jobs, while it is worked on.
type bulk struct {
	api     *API
	tasks   []*task // nil for one that was refused
	results []BulkResult
}

func (b *bulk) prepare(ctx context.Context, i int, raw json.RawMessage) {
	work, err := b.read(ctx, i, raw)
	if err != nil {
		b.reject(i, err)
		return
	}
	b.tasks[i] = work
}

func (b *bulk) read(ctx context.Context, i int, raw json.RawMessage) (*task, error) {
	a := b.api
	if err := a.checkSchema(a.bulkSchema, raw); err != nil {
		return nil, err
	}
	var job BulkJob
	if err := json.Unmarshal(raw, &job); err != nil {
		return nil, unfit(err)
	}
	t, err := a.typeOf(job.Data.Type)
	if err != nil {
		return nil, under("data", err)
	}
	payload, err := a.decode(t, job.Data.Payload)
	if err != nil {
		return nil, under("data.payload", err)
	}
	work, err := a.prepare(ctx, t, "data.payload", payload, job.Options, i)
	if err != nil {
		return nil, err
	}
	if err := refusal(a.o.Queues[t.queue], work); err != nil {
		return nil, err
	}
	return work, nil
}

// allow refuses the jobs that their caller may not add.
func (b *bulk) allow(ctx context.Context) error {
	return b.look(ctx, func(ctx context.Context, i int) error {
		if err := b.api.allow(ctx, b.tasks[i]); err != nil {
			return under("data.payload", err)
		}
		return b.api.claim(ctx, b.tasks[i])
	})
}

// claim refuses the jobs whose id somebody else took since allow.
func (b *bulk) claim(ctx context.Context) error {
	return b.look(ctx, func(ctx context.Context, i int) error {
		if !b.results[i].Duplicate {
			return nil
		}
		return b.api.claim(ctx, b.tasks[i])
	})
}

// lookups is how many jobs of a bulk are looked up at a time.
const lookups = 16

// look has each job of a bound caller looked at, and rejects it for the error
// that this gives. The first answer that does not come ends the request: what
// could not be looked up was not refused.
func (b *bulk) look(ctx context.Context, at func(ctx context.Context, i int) error) error {
	if !callOf(ctx).caller.bound() {
		return nil
	}
	all, each := errgroup.WithContext(ctx)
	all.SetLimit(lookups)
	for i, t := range b.tasks {
		if each.Err() != nil {
			break
		}
		if t == nil {
			continue
		}
		all.Go(func() error {
			err := at(each, i)
			if err == nil || problemOf(err).Status >= http.StatusInternalServerError {
				return err
			}
			b.reject(i, err)
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx) // nil, unless some were not looked at any more
}

func (b *bulk) reject(i int, err error) {
	fields := fieldErrors(err)
	if p := problemOf(err); len(fields) == 0 {
		fields = p.Errors
		if len(fields) == 0 {
			fields = []FieldError{{"data", p.Detail}}
		}
	}
	b.tasks[i] = nil
	b.results[i] = BulkResult{Index: i, Status: "rejected", Errors: fields}
}

// refused says why nothing is to be added: one job is bad, or with partial all
// of them are.
func (b *bulk) refused(partial bool) error {
	bad := 0
	var fields []FieldError
	for i, result := range b.results {
		if result.Status == "rejected" {
			bad++
			for _, f := range result.Errors {
				fields = append(fields, FieldError{fmt.Sprintf("jobs[%d].%s", i, f.Field), f.Message})
			}
		}
	}
	if bad == 0 || partial && bad < len(b.results) {
		return nil
	}
	detail := fmt.Sprintf("%d of %d jobs cannot be accepted, so none was.", bad, len(b.results))
	return problem("invalid", detail, fields[:min(len(fields), maxFieldErrors)]...)
}

// store adds the tasks, queue by queue. When Redis fails on the way, the error
// tells of each job what is known.
func (b *bulk) store(ctx context.Context) error {
	groups := map[string][]int{}
	for i, t := range b.tasks {
		if t != nil {
			groups[t.queue] = append(groups[t.queue], i)
		}
	}
	var failed []error
	for _, queue := range slices.Sorted(maps.Keys(groups)) {
		failed = append(failed, b.storeIn(ctx, queue, groups[queue]))
	}
	err := errors.Join(failed...)
	if err == nil {
		err = b.claim(ctx)
	}
	if err != nil {
		if errors.Is(err, jobs.ErrInvalid) || errors.Is(err, jobs.ErrTooLarge) {
			return err
		}
		b.api.log.LogAttrs(ctx, slog.LevelWarn, "bulk interrupted", slog.String("request_id", callOf(ctx).id), slog.Any("error", err))
		p := unavailable("The queue cannot be reached. Send the same request again; with an Idempotency-Key no job is added twice.")
		if b.anyStored() {
			p.Results = b.results
		}
		return p
	}
	return nil
}

func (b *bulk) storeIn(ctx context.Context, queue string, indexes []int) error {
	items := make([]Item, len(indexes))
	for n, i := range indexes {
		t := b.tasks[i]
		items[n] = Item{Name: t.name, Payload: t.payload, Options: t.options}
	}
	added, err := b.api.o.Queues[queue].AddBulk(ctx, items)
	for n, i := range indexes {
		b.results[i] = b.result(i, added, n, err)
	}
	return err
}

func (b *bulk) result(i int, added []Added, n int, err error) BulkResult {
	t := b.tasks[i]
	r := BulkResult{Index: i, Status: "queued", JobID: t.options.ID, Queue: t.queue, StatusURL: jobURL(t.queue, t.options.ID)}
	if n >= len(added) || added[n].Err != nil {
		r.Status = "unknown"
		return r
	}
	r.Duplicate = added[n].Existed && t.ownID
	if err == nil {
		b.api.metrics.accepted.WithLabelValues(t.queue).Inc()
	}
	return r
}

func (b *bulk) anyStored() bool {
	return slices.ContainsFunc(b.results, func(r BulkResult) bool { return r.Status == "queued" })
}

func (b *bulk) answer() BulkQueued {
	rejected := 0
	for _, r := range b.results {
		if r.Status == "rejected" {
			rejected++
		}
	}
	queued := len(b.results) - rejected
	noun := "jobs"
	if queued == 1 {
		noun = "job"
	}
	return BulkQueued{Message: fmt.Sprintf("%d %s queued", queued, noun), Queued: queued, Rejected: rejected, Results: b.results}
}

// schemaErrors are huma's findings about a part of a body, by its field.
func schemaErrors(findings []error) error {
	var all []error
	for _, err := range findings {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			f := finding(&huma.ErrorDetail{Location: join("body", strings.TrimPrefix(d.Location, ".")), Message: d.Message})
			all = append(all, jobs.Invalid(f.Field, "%s", f.Message))
		}
	}
	return errors.Join(all...)
}

// list is words for people: a, b or c.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
