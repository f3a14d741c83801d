package admin

import (
	"context"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Counts is how many jobs are in each state.
type Counts struct {
	Waiting         int64 `json:"waiting"` // prioritized ones included
	Active          int64 `json:"active"`
	Completed       int64 `json:"completed"`
	Failed          int64 `json:"failed"`
	Delayed         int64 `json:"delayed"`
	Prioritized     int64 `json:"prioritized"`
	WaitingChildren int64 `json:"waitingChildren"`
	Paused          bool  `json:"paused"`
	// OldestWaitingMs is how long the job that is next has stood in line, in ms,
	// without delays and backoffs; 0 when nothing waits.
	OldestWaitingMs int64 `json:"oldestWaitingMs"`
}

// Counts reads the counts.
func (q *Queue) Counts(ctx context.Context) (Counts, error) {
	c, err := q.broker.Counts(ctx)
	if err != nil {
		return Counts{}, q.wrap(err)
	}
	counts := Counts{
		Waiting: c.Waiting + c.Prioritized, Active: c.Active, Completed: c.Completed, Failed: c.Failed,
		Delayed: c.Delayed, Prioritized: c.Prioritized, WaitingChildren: c.WaitingChildren, Paused: c.Paused,
	}
	if !c.OldestWaiting.IsZero() {
		counts.OldestWaitingMs = max(0, time.Since(c.OldestWaiting).Milliseconds())
	}
	return counts, nil
}

// Get returns a job and its state. A stored record that breaks the format comes
// with what could be read of it, and an error that is not jobs.ErrNotFound.
func (q *Queue) Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error) {
	if err := checkID(id); err != nil {
		return nil, jobs.Unknown, err
	}
	job, state, err := q.broker.Get(ctx, id)
	return job, state, q.wrap(err)
}

// Page returns up to limit jobs of a state, passing over offset: waiting ones in
// the order in which they would run, finished ones the newest first. more says
// whether another page follows.
func (q *Queue) Page(ctx context.Context, state jobs.State, offset, limit int) (jobsOnPage []*jobs.Job, more bool, err error) {
	if offset, limit, err = page(offset, limit); err != nil {
		return nil, false, err
	}
	jobsOnPage, more, err = q.broker.Page(ctx, state, offset, limit)
	return jobsOnPage, more, q.wrap(err)
}

// Logs returns a job's log lines from offset on, the oldest first, and how many
// there are in all.
func (q *Queue) Logs(ctx context.Context, id string, offset, limit int) (lines []string, total int64, err error) {
	if err := checkID(id); err != nil {
		return nil, 0, err
	}
	if offset, limit, err = page(offset, limit); err != nil {
		return nil, 0, err
	}
	lines, total, err = q.broker.Logs(ctx, id, offset, limit)
	return lines, total, q.wrap(err)
}
