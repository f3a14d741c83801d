package handlers

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tandemq/tandem/internal/jobs"
)

// JobOptions are what a request may say of how its job is run. Nothing else of
// what can be stored with a job is reachable from here: Node workers act on some
// of it.
type JobOptions struct {
	Priority    priority    `json:"priority,omitempty"`
	MaxAttempts int         `json:"maxAttempts,omitempty" minimum:"1" maximum:"1000000" doc:"How often the job may be tried in all." example:"3"`
	Backoff     *JobBackoff `json:"backoff,omitempty" doc:"The delay between attempts."`
	Delay       int64       `json:"delay,omitempty" minimum:"0" maximum:"315360000000" doc:"Start after so many ms. Not together with runAt."`
	RunAt       *time.Time  `json:"runAt,omitempty" doc:"Start at this time (RFC 3339); one that is over means now."`
	Timeout     int64       `json:"timeout,omitempty" minimum:"1" maximum:"86400000" doc:"How long one attempt may take, in ms."`
	JobID       string      `json:"jobId,omitempty" maxLength:"128" doc:"An id of your own: a second job under it is not added. All callers of a queue share its ids. Letters, digits and . _ ~ @ -, and not digits only."`
}

// JobBackoff is the delay between attempts.
type JobBackoff struct {
	Type     string  `json:"type" enum:"fixed,linear,exponential" doc:"How the delay grows with the attempts: d d d, d 2d 3d, d 2d 4d."`
	Delay    int64   `json:"delay" minimum:"0" maximum:"31536000000" doc:"The base delay d in ms."`
	MaxDelay int64   `json:"maxDelay,omitempty" minimum:"0" maximum:"31536000000" doc:"The delay grows no further, in ms."`
	Jitter   float64 `json:"jitter,omitempty" minimum:"0" maximum:"1" doc:"The share of the delay that is drawn at random."`
}

// priority is a name or a number, as it was sent.
type priority struct{ text string }

// UnmarshalJSON keeps the text; jobs.ParsePriority says what is wrong with it.
func (p *priority) UnmarshalJSON(text []byte) error {
	p.text = string(text)
	return nil
}

// MarshalJSON writes what was read.
func (p priority) MarshalJSON() ([]byte, error) {
	if p.text == "" {
		return []byte("null"), nil
	}
	return []byte(p.text), nil
}

// Schema describes a priority without having huma check it, whose message for a
// choice between schemas tells nothing.
func (priority) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "critical (1), high (10), normal (100), low (1000), or a whole number from 1 to 2097151; lower runs earlier.",
		Examples:    []any{"high"},
		Extensions: map[string]any{"oneOf": []any{
			map[string]any{"type": "string", "enum": []string{"critical", "high", "normal", "low"}},
			map[string]any{"type": "integer", "minimum": 1, "maximum": int(jobs.MaxPriority)},
		}},
	}
}

func (p priority) parse() (jobs.Priority, error) {
	if p.text == "" {
		return 0, nil
	}
	var name string
	if json.Unmarshal([]byte(p.text), &name) == nil {
		if name == "" || strings.ContainsAny(name, "0123456789+-") {
			name = "?" // a number is sent as a number
		}
		return jobs.ParsePriority(name)
	}
	return jobs.ParsePriority(p.text)
}

// ownID is stricter than the queue: an id stands in URLs and logs too.
var ownID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~@-]{0,127}$`)

// apply returns preset with what the request says instead. Errors name the
// fields as they stand in options.
func (o *JobOptions) apply(preset jobs.Options) (jobs.Options, error) {
	if o == nil {
		return preset, nil
	}
	p, err := o.Priority.parse()
	if err != nil {
		return preset, err
	}
	if o.JobID != "" && !ownID.MatchString(o.JobID) {
		return preset, jobs.Invalid("jobId", "must have letters, digits and . _ ~ @ - only, and begin with a letter or digit")
	}
	merged := preset
	orSet(&merged.Priority, p)
	orSet(&merged.Attempts, o.MaxAttempts)
	orSet(&merged.Delay, milliseconds(o.Delay))
	orSet(&merged.Timeout, milliseconds(o.Timeout))
	orSet(&merged.ID, o.JobID)
	if o.RunAt != nil {
		merged.RunAt = *o.RunAt
	}
	if o.Backoff != nil {
		merged.Backoff = o.Backoff.backoff()
	}
	return merged, merged.Validate()
}

func (b *JobBackoff) backoff() jobs.Backoff {
	return jobs.Backoff{
		Type: jobs.BackoffType(b.Type), Delay: milliseconds(b.Delay),
		MaxDelay: milliseconds(b.MaxDelay), Jitter: b.Jitter,
	}
}

func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// orSet replaces target by value, unless that is zero.
func orSet[T comparable](target *T, value T) {
	var zero T
	if value != zero {
		*target = value
	}
}
