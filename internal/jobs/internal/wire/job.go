package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Hash is a job's stored hash: field to text.
type Hash map[string]string

// DecodeJob reads a job from its hash. A field that breaks the format is
// reported in the error, with its name, and left at its zero value: the job
// that comes with the error is still good for showing and for failing.
func DecodeJob(queue, id string, h Hash) (*jobs.Job, error) {
	return decodeJob(queue, id, h, DecodeOptions)
}

func decodeJob(queue, id string, h Hash, decodeOptions func([]byte) (jobs.Options, error)) (*jobs.Job, error) {
	var r reader
	job := &jobs.Job{
		ID:              id,
		Queue:           queue,
		Name:            h["name"],
		Data:            r.json(h, "data", "{}"),
		Progress:        r.json(h, "progress", ""),
		ReturnValue:     lenient(h["returnvalue"]),
		Delay:           durationOf(r.int(h, "delay")),
		Priority:        int(r.int(h, "priority")),
		Timestamp:       r.time(h, "timestamp"),
		ProcessedOn:     r.time(h, "processedOn"),
		FinishedOn:      r.time(h, "finishedOn"),
		AttemptsMade:    int(r.attemptsMade(h)),
		AttemptsStarted: int(r.int(h, "ats")),
		StalledCount:    int(r.int(h, "stc")),
		FailedReason:    h["failedReason"],
		Stacktrace:      DecodeStacktrace(h["stacktrace"]),
		ProcessedBy:     h["pb"],
		DeferredFailure: h["defa"],
		ParentKey:       h["parentKey"],
		SchedulerID:     h["rjk"],
		DeduplicationID: h["deid"],
	}
	options, err := decodeOptions([]byte(h["opts"]))
	job.Options = options
	job.Trace = options.Trace
	return job, errors.Join(append(r.problems, err)...)
}

// DecodeStacktrace reads the stored array of traces. Node takes anything else
// as an empty one, and so do we.
func DecodeStacktrace(text string) []string {
	var traces []string
	if json.Unmarshal([]byte(text), &traces) != nil {
		return nil
	}
	return traces
}

// EncodeStacktrace stores traces, always as an array.
func EncodeStacktrace(traces []string) string {
	if len(traces) == 0 {
		return "[]"
	}
	text, err := json.Marshal(traces)
	if err != nil { // strings always encode
		return "[]"
	}
	return string(text)
}

// lenient is a JSON value that readers drop when it is not valid.
func lenient(text string) json.RawMessage {
	if text == "" || !json.Valid([]byte(text)) {
		return nil
	}
	return json.RawMessage(text)
}

// reader collects what is wrong with the fields it reads.
type reader struct{ problems []error }

func (r *reader) report(field, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: "+format, append([]any{field}, args...)...))
}

func (r *reader) json(h Hash, field, missing string) json.RawMessage {
	text := h[field]
	if text == "" {
		text = missing
	}
	if text == "" {
		return nil
	}
	if !json.Valid([]byte(text)) {
		r.report(field, "is not JSON: %.40q", text)
		return nil
	}
	return json.RawMessage(text)
}

// int reads a number; a fraction, which Node can store in delay, is cut.
func (r *reader) int(h Hash, field string) int64 {
	text, ok := h[field]
	if !ok || text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		r.report(field, "is not a number: %.40q", text)
		return 0
	}
	return int64(f)
}

func (r *reader) time(h Hash, field string) time.Time {
	ms := r.int(h, field)
	if ms == 0 {
		return time.Time{}
	}
	at, ok := moment(ms)
	if !ok {
		r.report(field, "is not a time: %d", ms)
	}
	return at
}

// attemptsMade takes the larger of BullMQ 4's field and today's. Node prefers the
// old one, which nobody counts up any more: such a job would be retried for ever.
func (r *reader) attemptsMade(h Hash) int64 {
	return max(r.int(h, "attemptsMade"), r.int(h, "atm"))
}
