package admin

import (
	"context"
	"errors"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// Retry says how a finished job runs again.
type Retry struct {
	// ResetAttempts lets the job make all its attempts anew; without it a job that
	// has none left fails again after one.
	ResetAttempts bool
	// First puts an unprioritized job at the head of the line.
	First bool
}

// Retry runs a finished job again. A job that is not finished is
// jobs.ErrNotInState.
func (q *Queue) Retry(ctx context.Context, id string, o Retry) error {
	_, state, err := q.Get(ctx, id)
	if err != nil {
		return err
	}
	if !state.Finished() {
		return q.wrap(jobs.ErrNotInState)
	}
	reset := broker.Reset{Made: o.ResetAttempts, Started: o.ResetAttempts}
	return q.wrap(q.broker.Retry(ctx, id, state, reset, o.First))
}

// RetryMany runs the finished jobs of a state again, those that finished by
// until when it is not zero, and returns how many. Jobs that fail again
// meanwhile are not taken twice.
func (q *Queue) RetryMany(ctx context.Context, from jobs.State, until time.Time) (moved int, err error) {
	if !from.Finished() {
		return 0, jobs.Invalid("status", "must be completed or failed")
	}
	if until.IsZero() {
		if until, err = q.broker.Now(ctx); err != nil {
			return 0, q.wrap(err)
		}
	}
	return q.moveAll(ctx, from, until)
}

// PromoteAll lets every delayed job run now and returns how many there were.
func (q *Queue) PromoteAll(ctx context.Context) (moved int, err error) {
	return q.moveAll(ctx, jobs.Delayed, time.Time{})
}

func (q *Queue) moveAll(ctx context.Context, from jobs.State, until time.Time) (moved int, err error) {
	for {
		n, err := q.broker.RetryMany(ctx, from, until, 100)
		moved += n
		if err != nil || n == 0 {
			return moved, q.wrap(err)
		}
	}
}

// Promote lets a delayed job run now.
func (q *Queue) Promote(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	return q.wrap(q.broker.Promote(ctx, id))
}

// Remove removes a job, and with children the jobs below it in its flow. A job
// that is running is jobs.ErrLocked; of more than 1,000, some may be gone then.
func (q *Queue) Remove(ctx context.Context, id string, children bool) error {
	if err := checkID(id); err != nil {
		return err
	}
	return q.wrap(q.broker.Remove(ctx, id, children))
}

// ChangeDelay puts a delayed job off by delay from now.
func (q *Queue) ChangeDelay(ctx context.Context, id string, delay time.Duration) error {
	o := jobs.Options{Delay: delay}
	if err := errors.Join(checkID(id), o.Validate()); err != nil {
		return err
	}
	return q.wrap(q.broker.ChangeDelay(ctx, id, delay))
}

// ChangePriority gives a job another priority; jobs.Unprioritized puts it into
// the wait list, before all priorities. A job that is not waiting keeps it for
// the next time that it is. first puts it before those of the same rank.
func (q *Queue) ChangePriority(ctx context.Context, id string, p jobs.Priority, first bool) error {
	o := jobs.Options{Priority: p}
	if err := errors.Join(checkID(id), o.Validate()); err != nil {
		return err
	}
	if p == 0 {
		return jobs.Invalid("priority", "must be from 1 to %d", jobs.MaxPriority)
	}
	return q.wrap(q.broker.ChangePriority(ctx, id, max(0, int(p)), first))
}

// UpdateData replaces a job's payload. A worker that runs the job has the old
// one already.
func (q *Queue) UpdateData(ctx context.Context, id string, payload any) error {
	if err := checkID(id); err != nil {
		return err
	}
	data, err := encode("data", payload, jobs.MaxData)
	if err != nil {
		return err
	}
	return q.wrap(q.broker.UpdateData(ctx, id, data))
}
