package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandemq/tandem/bench/internal/work"
)

// attemptsOfRetries is how often a job of the work Retries runs.
const attemptsOfRetries = 3

func prepare(ctx context.Context, s System, w work.Work) (Job, error) {
	b := bench{system: s, work: w}
	switch w.Kind {
	case work.Add:
		// The connection and the library's scripts are there when it begins.
		return b.job(b.add), s.Add(ctx, "warm", Payload{}, JobOptions{})
	case work.Bulk, work.Fill:
		return b.job(b.bulk), s.Add(ctx, "warm", Payload{}, JobOptions{})
	case work.Drain:
		return b.withWorker(ctx, b.drain, nothing)
	case work.Consume, work.Sip:
		b.filled = true
		return b.withWorker(ctx, b.drain, nothing)
	case work.Retries:
		return b.withWorker(ctx, b.drain, failTwice)
	case work.Mixed:
		b.filled = true
		return b.withWorker(ctx, b.mixed, nothing)
	case work.Pickup:
		return b.pickup()
	case work.Due:
		return b.due(ctx)
	case work.Idle:
		return b.idle(ctx)
	}
	return Job{}, fmt.Errorf("unknown work %q", w.Kind)
}

// bench is one work on one system.
type bench struct {
	system System
	work   work.Work
	filled bool // others add the jobs to run, or have done so
	worker Worker
}

func (b *bench) job(run func(context.Context) (work.Result, error)) Job {
	return Job{Run: run, End: func() error { return nil }}
}

// withWorker fills the queue, unless that was done, and makes a worker.
func (b *bench) withWorker(ctx context.Context, run func(context.Context) (work.Result, error), handle Handler) (Job, error) {
	if !b.filled {
		if _, err := b.bulk(ctx); err != nil {
			return Job{}, err
		}
	}
	var err error
	b.worker, err = b.system.Worker(b.workerOf(handle))
	if err != nil {
		return Job{}, err
	}
	return Job{Run: run, End: b.worker.Stop}, nil
}

func (b *bench) workerOf(handle Handler) WorkerOptions {
	return WorkerOptions{
		Queues: []string{b.work.Queue}, Concurrency: b.work.Concurrency, Handle: handle,
		Delays: b.work.Kind == work.Retries || b.work.Kind == work.Due,
	}
}

func nothing(Payload, int) error { return nil }

var errTwice = errors.New("fails twice")

func failTwice(_ Payload, attempt int) error {
	if attempt < attemptsOfRetries {
		return errTwice
	}
	return nil
}

func (b *bench) options() JobOptions {
	o := JobOptions{Backlog: b.work.Backlog}
	if b.work.Kind == work.Retries {
		o.Attempts = attemptsOfRetries
	}
	if b.work.Backlog == work.Delayed {
		o.DueAt = time.Now().Add(24 * time.Hour).UnixMilli()
	}
	return o
}

// add has producers that wait for every answer.
func (b *bench) add(ctx context.Context) (work.Result, error) {
	var next atomic.Int64
	o := b.options()
	started := time.Now()
	err := together(max(1, b.work.Producers), func() error {
		for {
			n := int(next.Add(1))
			if n > b.work.Jobs {
				return nil
			}
			if err := b.system.Add(ctx, b.work.Queue, payload(n), o); err != nil {
				return err
			}
		}
	})
	return b.took(started), err
}

// together runs f n times at once and returns the first error.
func together(n int, f func() error) error {
	var all sync.WaitGroup
	failures := make(chan error, n)
	for range n {
		all.Go(func() {
			if err := f(); err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	close(failures)
	return <-failures
}

func payload(n int) Payload {
	return Payload{To: "ada@example.com", N: n, At: time.Now().UnixNano()}
}

// bulkSize is how many jobs one call for many carries.
const bulkSize = 1000

func (b *bench) bulk(ctx context.Context) (work.Result, error) {
	o := b.options()
	started := time.Now()
	for first := 0; first < b.work.Jobs; first += bulkSize {
		payloads := make([]Payload, min(bulkSize, b.work.Jobs-first))
		for i := range payloads {
			payloads[i] = payload(first + i)
		}
		if err := b.system.AddBulk(ctx, b.work.Queue, payloads, o); err != nil {
			return work.Result{}, err
		}
	}
	return b.took(started), nil
}

func (b *bench) took(started time.Time) work.Result {
	return work.Result{Jobs: b.work.Jobs, Seconds: time.Since(started).Seconds()}
}

// drain lets the worker run until all jobs have finished.
func (b *bench) drain(ctx context.Context) (work.Result, error) {
	started := time.Now()
	if err := b.worker.Start(); err != nil {
		return work.Result{}, err
	}
	if err := b.await(ctx); err != nil {
		return work.Result{}, err
	}
	result := b.took(started)
	if b.work.Kind == work.Sip {
		return b.stopped(result)
	}
	return result, nil
}

// stopped ends the worker before the cost is looked at, and counts what it has
// done beyond its number until then.
func (b *bench) stopped(result work.Result) (work.Result, error) {
	if err := b.worker.Stop(); err != nil {
		return result, err
	}
	result.Jobs += len(b.worker.Finished())
	return result, nil
}

// await waits for the work's number of jobs.
func (b *bench) await(ctx context.Context) error {
	for done := range b.work.Jobs {
		select {
		case ok := <-b.worker.Finished():
			if !ok {
				return fmt.Errorf("a job failed for good, after %d that did not", done)
			}
		case <-ctx.Done():
			return fmt.Errorf("%d of %d jobs finished: %w", done, b.work.Jobs, context.Cause(ctx))
		}
	}
	return b.worker.Settle(ctx)
}

// mixed adds and works at the same time.
func (b *bench) mixed(ctx context.Context) (work.Result, error) {
	started := time.Now()
	if err := b.worker.Start(); err != nil {
		return work.Result{}, err
	}
	adding := make(chan error, 1)
	go func() {
		_, err := b.add(ctx)
		adding <- err
	}()
	if err := errors.Join(b.await(ctx), <-adding); err != nil {
		return work.Result{}, err
	}
	return b.took(started), nil
}

// idle has workers that find nothing.
func (b *bench) idle(ctx context.Context) (Job, error) {
	var queues []string
	for n := range b.work.Queues {
		name := fmt.Sprintf("%s-%d", b.work.Queue, n)
		if err := b.system.Add(ctx, name, Payload{}, JobOptions{}); err != nil {
			return Job{}, err
		}
		queues = append(queues, name)
	}
	var err error
	if b.worker, err = b.system.Worker(WorkerOptions{Queues: queues, Concurrency: b.work.Concurrency, Handle: nothing}); err != nil {
		return Job{}, err
	}
	if err := b.worker.Start(); err != nil {
		return Job{}, err
	}
	b.work.Jobs = b.work.Queues
	return Job{Run: b.rest, End: b.worker.Stop}, b.await(ctx)
}

func (b *bench) rest(ctx context.Context) (work.Result, error) {
	started := time.Now()
	select {
	case <-time.After(seconds(b.work.Seconds)):
		return work.Result{Seconds: time.Since(started).Seconds()}, nil
	case <-ctx.Done():
		return work.Result{}, context.Cause(ctx)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
