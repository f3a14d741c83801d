// Package adapt joins the API to the real queue and the real file store, which
// package handlers knows as small interfaces only: so the handlers link neither
// a Redis client nor an object store, and are tested without them where that is
// enough.
package adapt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"time"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/events"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/storage"
)

// Queue is one queue from both sides: who adds and who looks.
type Queue struct {
	*queue.Queue
	admin *admin.Queue
}

// NewQueue joins the two sides. Both must be of the same queue; closing stays
// with whoever made them.
func NewQueue(add *queue.Queue, look *admin.Queue) *Queue {
	return &Queue{Queue: add, admin: look}
}

var _ handlers.Queue = (*Queue)(nil)

// Add implements handlers.Adder.
func (q *Queue) Add(ctx context.Context, name string, payload any, o jobs.Options) (handlers.Added, error) {
	added, err := q.Queue.Add(ctx, name, payload, o)
	return handlers.Added{ID: added.ID, Existed: added.Existed}, closed(err)
}

// AddBulk implements handlers.Adder.
func (q *Queue) AddBulk(ctx context.Context, items []handlers.Item) ([]handlers.Added, error) {
	theirs := make([]queue.Item, len(items))
	for i, item := range items {
		theirs[i] = queue.Item(item)
	}
	results, err := q.Queue.AddBulk(ctx, theirs, queue.Bulk{})
	added := make([]handlers.Added, len(results))
	for i, r := range results {
		added[i] = handlers.Added(r)
	}
	return added, closed(err)
}

// closed makes an add to a queue that was closed, because the program stops,
// one that may be tried again elsewhere.
func closed(err error) error {
	if errors.Is(err, queue.ErrClosed) {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	return err
}

// Counts implements handlers.Finder.
func (q *Queue) Counts(ctx context.Context) (handlers.Counts, error) {
	counts, err := q.admin.Counts(ctx)
	return handlers.Counts{
		Waiting: counts.Waiting, Active: counts.Active, Completed: counts.Completed, Failed: counts.Failed,
		Delayed: counts.Delayed, Prioritized: counts.Prioritized, WaitingChildren: counts.WaitingChildren,
		Paused: counts.Paused, OldestWaitingMs: counts.OldestWaitingMs,
	}, err
}

// Get implements handlers.Finder.
func (q *Queue) Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error) {
	return q.admin.Get(ctx, id)
}

// Page implements handlers.Finder.
func (q *Queue) Page(ctx context.Context, state jobs.State, offset, limit int) ([]*jobs.Job, bool, error) {
	return q.admin.Page(ctx, state, offset, limit)
}

// Follower follows the queues of a prefix.
func Follower(conn *redisconn.Conn, prefix string) handlers.Follower {
	return func(ctx context.Context, queue, from string) iter.Seq2[jobs.Event, error] {
		return events.Follow(ctx, conn, prefix, queue, from)
	}
}

// Files opens what is in a store.
type Files struct{ Store storage.Store }

var _ handlers.Files = Files{}

// Open implements handlers.Files.
func (f Files) Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error) {
	file, info, err := f.Store.Open(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, time.Time{}, fmt.Errorf("%w: %w", handlers.ErrFileMissing, err)
	}
	return file, info.Modified, err
}

// Links checks the links that a signer signed.
func Links(signer *storage.Signer) handlers.Links {
	return func(method, path string, query url.Values, now time.Time) (string, error) {
		grant, err := signer.Verify(method, path, query, now)
		if errors.Is(err, storage.ErrExpired) {
			return "", fmt.Errorf("%w: %w", handlers.ErrLinkExpired, err)
		}
		return grant.Owner, err
	}
}
