package handlers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// bench is a worker whose jobs the test takes and finishes by hand.
type bench struct {
	t        *testing.T
	taken    chan *worker.Job[any]
	progress chan any
	finish   chan error
}

// work runs a worker on a queue until the test ends.
func (s *service) work(queue string) *bench {
	s.t.Helper()
	b := &bench{t: s.t, taken: make(chan *worker.Job[any]), progress: make(chan any), finish: make(chan error)}
	mux := worker.NewMux()
	worker.HandleAll(mux, jobs.Define[any, any](queue, queue), b.run)
	pool, err := worker.New(s.conn, queue, mux, worker.Options{Prefix: s.prefix, Concurrency: 1, ShutdownTimeout: time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- pool.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, worker.ErrDeadline) {
			s.t.Error(err)
		}
	})
	return b
}

func (b *bench) run(ctx context.Context, job *worker.Job[any]) (any, error) {
	select {
	case b.taken <- job:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		select {
		case p := <-b.progress:
			if err := job.Progress(ctx, p); err != nil {
				return nil, err
			}
		case err := <-b.finish:
			return map[string]bool{"ok": true}, err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take waits until a job is running.
func (b *bench) take() *worker.Job[any] {
	b.t.Helper()
	select {
	case job := <-b.taken:
		return job
	case <-time.After(20 * time.Second):
		b.t.Fatal("no job was taken")
		return nil
	}
}
