package promises_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// work starts a pool that runs every job with one handler, and stops it with the
// test. The rest of its options are the shipped defaults.
func work(t *testing.T, conn *redisconn.Conn, o worker.Options, handle worker.Handler) *worker.Pool {
	t.Helper()
	o.Prefix = record().Prefix
	o.Logger = slog.New(slog.DiscardHandler)
	mux := worker.NewMux()
	mux.Fallback(handle)
	pool, err := worker.New(conn, record().Queue, mux, o)
	must(t, err)
	must(t, pool.Start())
	t.Cleanup(func() {
		if err := pool.WaitForCompletion(2 * time.Second); err != nil && !errors.Is(err, worker.ErrDeadline) {
			t.Errorf("stop pool: %v", err)
		}
	})
	return pool
}

// start is the beginning of one attempt.
type start struct {
	id string
	at time.Time
}

// telling is a handler that tells of each start and does no more.
func telling(starts chan<- start) worker.Handler {
	return func(_ context.Context, task *worker.Task) (any, error) {
		starts <- start{id: task.ID, at: time.Now()}
		return nil, nil
	}
}
