// Package admin is for whoever operates a queue: look at it, and move, change
// and remove jobs by hand. Every function works on jobs of any client.
//
// Counts are O(1) and pages bounded, so that looking never slows Redis.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// Queue is a queue as its operator sees it.
type Queue struct {
	name   string
	broker *broker.Broker
}

// New returns the queue with this name. An empty prefix is "bull".
func New(conn *redisconn.Conn, prefix, name string) (*Queue, error) {
	if err := jobs.ValidateQueue(name); err != nil {
		return nil, err
	}
	keys := wire.NewKeys(prefix, name)
	if conn.IsCluster() && keys.HashTag() == "" {
		return nil, jobs.Invalid("prefix", "needs a hash tag on a Redis Cluster, for example {bull}")
	}
	return &Queue{name: name, broker: broker.New(conn, keys)}, nil
}

// Name is the queue's name.
func (q *Queue) Name() string { return q.name }

// MaxPage is how many jobs or log lines one page holds at most.
const MaxPage = 1000

// page bounds what a caller asked for.
func page(offset, limit int) (int, int, error) {
	if offset < 0 {
		return 0, 0, jobs.Invalid("offset", "must not be negative")
	}
	if limit < 1 || limit > MaxPage {
		return 0, 0, jobs.Invalid("limit", "must be from 1 to %d", MaxPage)
	}
	return offset, limit, nil
}

// checkID keeps an id from naming the queue itself, or a key of it that is none
// of a job.
func checkID(id string) error {
	if id == "" {
		return jobs.Invalid("jobId", "must not be empty")
	}
	if !jobs.CanBeID(id) {
		return fmt.Errorf("%w: none can have the id %q", jobs.ErrNotFound, id)
	}
	return nil
}

func encode(what string, value any, limit int) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, jobs.Invalid(what, "cannot be stored as JSON: %v", err)
	}
	return text, jobs.CheckSize(what, len(text), limit)
}

// Pause lets no further job start and reports whether the queue was running.
// Running jobs go on. Do not pause a queue that BullMQ 5 workers share: their
// resume drops what others added meanwhile.
func (q *Queue) Pause(ctx context.Context) (changed bool, err error) {
	changed, err = q.broker.Pause(ctx)
	return changed, q.wrap(err)
}

// Resume lets jobs start again.
func (q *Queue) Resume(ctx context.Context) error { return q.wrap(q.broker.Resume(ctx)) }

// Drain removes the jobs that wait, and on request the delayed ones, and returns
// how many. The pending run of a job scheduler stays.
func (q *Queue) Drain(ctx context.Context, delayed bool) (removed int, err error) {
	removed, err = q.broker.Drain(ctx, delayed)
	return removed, q.wrap(err)
}

// Clean removes up to limit jobs of a state that finished, else started, else
// were added at least grace ago, and returns their ids. limit 0 is all.
func (q *Queue) Clean(ctx context.Context, state jobs.State, grace time.Duration, limit int) ([]string, error) {
	if limit < 0 || grace < 0 {
		return nil, jobs.Invalid("limit", "and grace must not be negative")
	}
	now, err := q.broker.Now(ctx)
	if err != nil {
		return nil, q.wrap(err)
	}
	ids, err := q.broker.Clean(ctx, state, now.Add(-grace), limit)
	return ids, q.wrap(err)
}

// Obliterate removes a paused queue with all that is in it. While jobs are
// active it refuses with jobs.ErrActiveJobs, unless forced.
func (q *Queue) Obliterate(ctx context.Context, force bool) error {
	return q.wrap(q.broker.Obliterate(ctx, force))
}

func (q *Queue) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("queue %s: %w", q.name, err)
}
