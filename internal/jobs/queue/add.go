package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Added is what became of one job.
type Added struct {
	ID string
	// Existed: a job with this id was there already and stays as it is.
	Existed bool
	// Err is why this job was not added; always nil when the call had no error.
	Err error
}

// Add stores a job. The payload becomes JSON; a json.RawMessage is taken as it
// is. When nothing can be sent because of the input, the error is
// jobs.ErrInvalid or jobs.ErrTooLarge.
func (q *Queue) Add(ctx context.Context, name string, payload any, o jobs.Options) (Added, error) {
	job, err := q.encode(name, payload, o)
	if err != nil {
		return Added{Err: err}, err
	}
	existed, err := q.joiner.add(ctx, job)
	if err != nil {
		err = fmt.Errorf("add job %s to queue %s: %w", job.ID, q.name, err)
	}
	return Added{ID: job.ID, Existed: existed, Err: err}, err
}

// Item is one job of a bulk.
type Item struct {
	Name    string
	Payload any
	Options jobs.Options
}

// Bulk says how a bulk treats items that are refused.
type Bulk struct {
	// Partial adds the good ones; otherwise one bad item refuses them all.
	Partial bool
}

// AddBulk stores many jobs in few round trips, in their order. Every item has
// its result, in its place. The error is nil only when every item was stored.
//
// Items are checked before any is sent. Those that are sent go in groups of
// broker.MaxBatch, each stored whole or not at all: when Redis fails in between,
// the results say which are stored and which may not be.
func (q *Queue) AddBulk(ctx context.Context, items []Item, o Bulk) ([]Added, error) {
	results := make([]Added, len(items))
	batch, places, err := q.encodeAll(items, results)
	if err != nil && !o.Partial {
		return results, fmt.Errorf("add bulk to queue %s: %w", q.name, err)
	}
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	existed, sendErr := q.broker.AddMany(ctx, batch)
	for i, place := range places {
		if i < len(existed) {
			results[place].Existed = existed[i]
		} else {
			results[place].Err = sendErr
		}
	}
	if sendErr != nil {
		return results, fmt.Errorf("add bulk to queue %s: %w", q.name, sendErr)
	}
	return results, err
}

// Check reports what Add would refuse before sending anything.
func (q *Queue) Check(name string, payload any, o jobs.Options) error {
	_, err := q.encode(name, payload, o)
	return err
}

func (q *Queue) encodeAll(items []Item, results []Added) (batch []broker.NewJob, places []int, first error) {
	batch = make([]broker.NewJob, 0, len(items))
	for i, item := range items {
		job, err := q.encode(item.Name, item.Payload, item.Options)
		results[i] = Added{ID: job.ID, Err: err}
		if err != nil {
			if first == nil {
				first = fmt.Errorf("item %d: %w", i, err)
			}
			continue
		}
		batch, places = append(batch, job), append(places, i)
	}
	return batch, places, first
}

func (q *Queue) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, q.options.Patience)
}

// encode checks a job and makes it ready to send. Its id is made here, once:
// whatever happens on the way, it is the same job.
func (q *Queue) encode(name string, payload any, o jobs.Options) (broker.NewJob, error) {
	if err := jobs.ValidateName(name); err != nil {
		return broker.NewJob{}, err
	}
	o = q.withDefaults(o)
	if err := q.options.accepts(&o); err != nil {
		return broker.NewJob{}, err
	}
	data, err := encodePayload(payload, o.SizeLimit)
	if err != nil {
		return broker.NewJob{}, err
	}
	delay := o.Delay
	if !o.RunAt.IsZero() {
		o.Delay = max(0, time.Until(o.RunAt))
	}
	options, err := wire.EncodeOptions(o)
	if err != nil {
		return broker.NewJob{}, err
	}
	job := broker.NewJob{
		ID: o.ID, Given: o.ID != "", Name: name, Data: data, Options: options,
		Delay: roundUp(delay), RunAt: o.RunAt, Priority: max(0, int(o.Priority)), LIFO: o.LIFO,
	}
	if !job.Given {
		job.ID, err = newID()
	}
	return job, err
}

// newID makes an id that sorts by time and is never all digits.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make a job id: %w", err)
	}
	return id.String(), nil
}

// roundUp to whole milliseconds: a job must not run early.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

func (q *Queue) withDefaults(o jobs.Options) jobs.Options {
	switch {
	case o.Priority == 0 && o.LIFO:
		o.Priority = jobs.Unprioritized
	case o.Priority == 0:
		o.Priority = q.options.Priority
	}
	if o.Attempts == 0 {
		o.Attempts = q.options.Attempts
	}
	if o.Backoff == (jobs.Backoff{}) {
		o.Backoff = q.options.Backoff
	}
	return o
}

func encodePayload(payload any, limit int) ([]byte, error) {
	if limit == 0 {
		limit = jobs.MaxData
	}
	data, err := json.Marshal(payload)
	if err != nil {
		return nil, jobs.Invalid("data", "cannot be stored as JSON: %v", err)
	}
	return data, jobs.CheckSize("data", len(data), min(limit, math.MaxInt32))
}
