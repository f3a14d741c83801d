package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// Task is a job that is running, whatever its type.
type Task struct {
	jobs.Job
	// Attempt is the number of this attempt, from 1.
	Attempt int
	reports reporter
}

// reporter is what a running job tells the queue.
type reporter interface {
	Progress(ctx context.Context, id string, value []byte) error
	Log(ctx context.Context, id, line string, keep int) (int, error)
}

// Job is a running job with its payload decoded.
type Job[P any] struct {
	*Task
	Payload P
}

// Progress stores how far the job has come, a number or any value that becomes
// JSON, and tells whoever follows the queue.
func (t *Task) Progress(ctx context.Context, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return jobs.Invalid("progress", "cannot be stored as JSON: %v", err)
	}
	if err := jobs.CheckSize("progress", len(text), jobs.MaxProgress); err != nil {
		return err
	}
	return t.reports.Progress(ctx, t.ID, text)
}

// Log appends a line to the job's log, which is kept with the job. A line that
// is too long is cut.
func (t *Task) Log(ctx context.Context, format string, args ...any) error {
	line := cut(fmt.Sprintf(format, args...), jobs.MaxLogLine)
	_, err := t.reports.Log(ctx, t.ID, line, t.Options.KeepLogs)
	return err
}

// LastAttempt reports whether a failure now would be final.
func (t *Task) LastAttempt() bool { return t.Attempt >= t.MaxAttempts() }

// cut shortens text to at most limit bytes, at the border of a character, and
// replaces what is not UTF-8.
func cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= limit {
		return text
	}
	const mark = "…"
	short := text[:limit-len(mark)]
	return strings.ToValidUTF8(short, "") + mark
}
