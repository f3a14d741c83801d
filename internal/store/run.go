package store

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// RunStatus says how an attempt ended.
type RunStatus string

// The ways an attempt ends.
const (
	RunCompleted RunStatus = "completed"
	RunFailed    RunStatus = "failed"   // for good
	RunRetrying  RunStatus = "retrying" // failed, and will be tried again
	RunSnoozed   RunStatus = "snoozed"  // put aside without counting an attempt
	RunReleased  RunStatus = "released" // handed back by a worker that stopped
)

// Run is one attempt at a job.
type Run struct {
	Queue    string
	JobID    string
	JobName  string
	TenantID string // "" is nobody's
	UserID   string // "" is nobody's
	// Started counts the job's starts from 1, hand-backs included; Attempt
	// counts the attempts that are held against it.
	Started    int
	Attempt    int
	Status     RunStatus
	Error      string    // why it failed; kept to 4 KiB
	QueuedAt   time.Time // when the job became ready to run
	StartedAt  time.Time
	FinishedAt time.Time
	Worker     string
}

// id names the run. The start time is part of it because a job id can be used
// again after the first job was removed, and its starts then count from 1 again.
func (r *Run) id() string {
	return r.Queue + "/" + r.JobID + "/" + strconv.Itoa(r.Started) + "@" + strconv.FormatInt(millis(r.StartedAt), 10)
}

func (r *Run) wait() time.Duration     { return max(0, r.StartedAt.Sub(r.QueuedAt)) }
func (r *Run) duration() time.Duration { return max(0, r.FinishedAt.Sub(r.StartedAt)) }

const (
	runColumns = `id, queue, job_id, job_name, tenant_id, user_id, attempt, status, error,
		queued_at, started_at, finished_at, wait_ms, duration_ms, worker`
	runColumnCount = 15
	maxRunError    = 4 << 10
	maxRunText     = 512
)

func (r *Run) values() []any {
	return []any{
		clean(r.id(), 2*maxRunText), clean(r.Queue, maxRunText), clean(r.JobID, maxRunText), clean(r.JobName, maxRunText),
		clean(r.TenantID, maxRunText), clean(r.UserID, maxRunText), r.Attempt, string(r.Status), clean(r.Error, maxRunError),
		millis(r.QueuedAt), millis(r.StartedAt), millis(r.FinishedAt),
		r.wait().Milliseconds(), r.duration().Milliseconds(), clean(r.Worker, maxRunText),
	}
}

// insertRuns writes the batch in one statement. A run that is there already is
// left alone, so a batch whose answer was lost can be sent again.
func insertRuns(ctx context.Context, db *DB, batch []Run) error {
	values := make([]any, 0, len(batch)*runColumnCount)
	for i := range batch {
		values = append(values, batch[i].values()...)
	}
	_, err := db.Write.ExecContext(ctx,
		"INSERT INTO job_runs ("+runColumns+") VALUES "+placeholders(len(batch), runColumnCount)+
			" ON CONFLICT (id) DO NOTHING", values...)
	if err != nil {
		return fmt.Errorf("insert %d job runs: %w", len(batch), err)
	}
	return nil
}
