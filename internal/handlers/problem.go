package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/store"
)

const (
	jsonType    = "application/json"
	problemJSON = "application/problem+json"
)

// Problem is every error that a client sees (RFC 9457).
type Problem struct {
	Type      string       `json:"type" doc:"What kind of problem it is; the address of its description." example:"/docs#invalid"`
	Title     string       `json:"title" doc:"The same in words." example:"Invalid request"`
	Status    int          `json:"status" doc:"The HTTP status." example:"422"`
	Detail    string       `json:"detail" doc:"What is wrong this time."`
	RequestID string       `json:"requestId" doc:"Names the request in our logs."`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"Which fields are wrong."`
	// Results of a bulk of which some jobs are stored although it failed.
	Results []BulkResult `json:"results,omitempty" nullable:"false" doc:"For a bulk that Redis interrupted: what is known of each job."`

	retryAfter int // seconds; 0 is no header
	allow      string
	challenge  bool
}

// FieldError says what is wrong with one field. It never repeats its value.
type FieldError struct {
	Field   string `json:"field" doc:"Where, as sent: options.delay, jobs[2].data.payload.to" example:"to"`
	Message string `json:"message" doc:"What is wrong, and what would be right."`
}

// kind is a type of problem, described in /docs.
type kind struct {
	name, title string
	status      int
	about       string
}

// kinds are all types of problem that there are.
var kinds = []kind{
	{"malformed", "Malformed request", 400, "The body is not JSON as this API reads it: unclosed, nested too deep, a key twice, bytes that are not UTF-8, or something after its end."},
	{"unauthorized", "Unauthorized", 401, "No valid API key or bearer token came with the request."},
	{"forbidden", "Forbidden", 403, "The caller is known, and may not do this."},
	{"not-found", "Not found", 404, "There is nothing at this address, or nothing any more."},
	{"method-not-allowed", "Method not allowed", 405, "The address is known, the method is not among those in the Allow header."},
	{"timeout", "Request timeout", 408, "The body did not arrive in time."},
	{"in-flight", "Request in flight", 409, "A request with the same Idempotency-Key is being worked on. Ask again after Retry-After seconds."},
	{"id-taken", "Job id taken", 409, "A job that is not the caller's has the jobId. Nothing was stored; choose another id."},
	{"gone", "Gone", 410, "The link or the file was there and is not any more."},
	{"precondition", "Precondition failed", 412, "The file is not the one that If-Match names."},
	{"too-large", "Content too large", 413, "The body, or the data of a job, is over the limit."},
	{"unsupported-media-type", "Unsupported media type", 415, "Send application/json."},
	{"range", "Range not satisfiable", 416, "The file has no such range."},
	{"invalid", "Invalid request", 422, "The fields in errors have to be changed."},
	{"idempotency-mismatch", "Idempotency key reused", 422, "The Idempotency-Key was used for another request."},
	{"rate-limited", "Too many requests", 429, "Ask again after Retry-After seconds."},
	{"internal", "Internal error", 500, "A mistake of ours. The log has it under the request's id."},
	{"unavailable", "Service unavailable", 503, "Something that is needed to keep a promise is away. Ask again after Retry-After seconds; with an Idempotency-Key this is always safe."},
}

// problem makes one of the kinds.
func problem(name, detail string, fields ...FieldError) *Problem {
	for _, k := range kinds {
		if k.name == name {
			return &Problem{Type: "/docs#" + k.name, Title: k.title, Status: k.status, Detail: detail, Errors: fields}
		}
	}
	return &Problem{Type: "about:blank", Title: "Error", Status: http.StatusInternalServerError, Detail: detail}
}

func problemOfStatus(status int, detail string, fields ...FieldError) *Problem {
	for _, k := range kinds {
		if k.status == status {
			return problem(k.name, detail, fields...)
		}
	}
	return problem("internal", "The request could not be answered.")
}

func unavailable(detail string) *Problem {
	p := problem("unavailable", detail)
	p.retryAfter = 1
	return p
}

// Error makes a Problem an error that handlers return.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError, which adds them to those that every
// answer has (safeHeaders).
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.challenge {
		h.Set("WWW-Authenticate", `Bearer realm="tandem"`)
	}
	return h
}

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemJSON }

// databaseError marks an error of the database: without it nothing can be
// promised, and it may be back soon.
type databaseError struct{ err error }

func (e *databaseError) Error() string { return e.err.Error() }
func (e *databaseError) Unwrap() error { return e.err }

// problemOf is the one place where errors become statuses.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	_, database := errors.AsType[*databaseError](err)
	switch {
	case errors.Is(err, jobs.ErrUnavailable):
		return unavailable("The queue cannot be reached.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable("The request took too long.")
	case errors.Is(err, jobs.ErrInvalid):
		return problem("invalid", "The request has fields that cannot be accepted.", fieldErrors(err)...)
	case errors.Is(err, jobs.ErrTooLarge):
		return problem("too-large", "The data of the job is over its limit of 64 KiB.")
	case errors.Is(err, jobs.ErrNotFound), errors.Is(err, store.ErrNotFound):
		return problem("not-found", "There is nothing under this id.")
	case database:
		return unavailable("The database cannot be reached.")
	}
	return problem("internal", "The request could not be answered.")
}

// fieldErrors collects the validation errors of a tree of joined errors.
func fieldErrors(err error) []FieldError {
	switch e := err.(type) {
	case *jobs.ValidationError:
		return []FieldError{{e.Field, e.Reason}}
	case interface{ Unwrap() []error }:
		var all []FieldError
		for _, one := range e.Unwrap() {
			all = append(all, fieldErrors(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return fieldErrors(e.Unwrap())
	}
	return nil
}

// under puts the place that a payload or options have in the body before the
// fields of err.
func under(place string, err error) error {
	fields := fieldErrors(err)
	if place == "" || len(fields) == 0 {
		return err
	}
	moved := make([]error, len(fields))
	for i, f := range fields {
		moved[i] = jobs.Invalid(strings.TrimSuffix(join(place, f.Field), "."), "%s", f.Message)
	}
	return errors.Join(moved...)
}

// fail turns an error into the problem to answer with, and logs what the client
// will not be told.
func (a *API) fail(ctx context.Context, err error) *Problem {
	p := *problemOf(err)
	c := callOf(ctx)
	p.RequestID = c.id
	level := slog.LevelDebug
	switch {
	case p.Status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case p.Status >= 500:
		level = slog.LevelError
	}
	a.log.LogAttrs(ctx, level, "request failed",
		slog.String("request_id", c.id), slog.Int("status", p.Status), slog.Any("error", err))
	return &p
}

// writeProblem answers outside of huma.
func (a *API) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := a.fail(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemJSON)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		// The header is out; a client that has gone is all that can go wrong.
		_ = json.NewEncoder(w).Encode(p)
	}
}

// translate turns huma's own errors into ours, without the values that they
// repeat. It is a huma.Transformer.
func (a *API) translate(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problemOfStatus(model.Status, "The request has fields that cannot be accepted.", humaFields(model.Errors)...)
	if model.Status >= 500 {
		p = problem("internal", "The request could not be answered.")
	}
	p.RequestID = callOf(ctx.Context()).id
	ctx.SetHeader("Content-Type", problemJSON)
	return p, nil
}

func humaFields(details []*huma.ErrorDetail) []FieldError {
	fields := make([]FieldError, 0, len(details))
	for _, d := range details {
		if d != nil && len(fields) < maxFieldErrors {
			fields = append(fields, finding(d))
		}
	}
	return fields
}

// maxFieldErrors bounds an answer: whoever sends a thousand mistakes sees the
// first hundred.
const maxFieldErrors = 100

// misfit begins the message of a value that passed its schema and does not fit
// its type, such as 1e3. huma passes messages on, and nothing else.
const misfit = "misfit "

var missing = regexp.MustCompile(`^expected required property (\S+) to be present$`)

// finding is what huma found, as we say it: the field by its full name, and
// never what stood there.
func finding(d *huma.ErrorDetail) FieldError {
	field := fieldName(d.Location)
	if found := missing.FindStringSubmatch(d.Message); found != nil {
		return FieldError{join(field, found[1]), "is required"}
	}
	if text, ok := strings.CutPrefix(d.Message, misfit); ok {
		place, reason, _ := strings.Cut(text, ": ")
		return FieldError{place, reason}
	}
	switch {
	case d.Location == "":
		return FieldError{"body", "has a value that cannot be read"}
	case d.Message == "unexpected property":
		return FieldError{clip(field), "is not a field of this request"}
	case d.Message == "unknown query parameter":
		return FieldError{clip(field), "is not a parameter of this request"}
	}
	return FieldError{clip(field), d.Message}
}

// join puts a field below another.
func join(parent, field string) string {
	if parent == "" {
		return field
	}
	return parent + "." + field
}

// clip keeps a name that a client made up from filling an answer.
func clip(name string) string {
	const most = 100
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

// fieldName is a huma location as a client names it: body.to is to.
func fieldName(location string) string {
	for _, place := range []string{"body", "path", "query", "header"} {
		if location == place {
			return ""
		}
		if name, ok := strings.CutPrefix(location, place+"."); ok {
			return name
		}
	}
	return location
}
