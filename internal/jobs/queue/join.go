package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// ErrClosed is the error of an add to a queue that was closed.
var ErrClosed = errors.New("queue is closed")

// joiner lets adds that arrive while a call is under way share the next one.
// Alone, an add goes out at once; under load, up to broker.MaxBatch travel in
// one call, for about a third of the server's time each. When enoughForTwo have
// come together, they do not wait for the call that is under way: Redis works on
// theirs while we tell the callers of the other.
type joiner struct {
	broker   adder
	patience time.Duration

	mu      sync.Mutex
	waiting []*entry // in order of arrival
	calls   int      // under way, two at most
	closed  bool
	flushes sync.WaitGroup
}

// enoughForTwo is how many adds are worth a second call at a time. With fewer a
// call, each of them would cost Redis more.
const enoughForTwo = broker.MaxBatch / 2

// entry is one add on its way. done is closed once existed and err are set.
type entry struct {
	ctx     context.Context
	job     broker.NewJob
	done    chan struct{}
	existed bool
	err     error
}

func newJoiner(b adder, patience time.Duration) *joiner {
	return &joiner{broker: b, patience: patience}
}

func (j *joiner) add(ctx context.Context, job broker.NewJob) (existed bool, err error) {
	e := &entry{ctx: ctx, job: job, done: make(chan struct{})}
	alone, err := j.enter(e)
	if err != nil {
		return false, err
	}
	if alone {
		return j.sendAlone(ctx, job)
	}
	select {
	case <-e.done:
		return e.existed, e.err
	case <-ctx.Done():
		return false, fmt.Errorf("%w: no answer in time: %w", jobs.ErrUnavailable, context.Cause(ctx))
	}
}

// enter puts an entry in line, unless nothing is under way: then its caller is
// alone, and sends it itself.
func (j *joiner) enter(e *entry) (alone bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false, ErrClosed
	}
	if j.calls == 0 {
		j.calls++
		j.flushes.Add(1) // until sendAlone has ended
		return true, nil
	}
	j.waiting = append(j.waiting, e)
	if j.calls == 1 && len(j.waiting) >= enoughForTwo {
		j.calls++
		j.flushes.Go(j.flush)
	}
	return false, nil
}

// sendAlone makes the call in the caller's goroutine, which spares two switches
// between goroutines. Whoever came in the meantime is left to flush.
func (j *joiner) sendAlone(ctx context.Context, job broker.NewJob) (existed bool, err error) {
	defer j.flushes.Done()
	defer j.handOver()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.patience)
		defer cancel()
	}
	answers, err := j.broker.Add(ctx, []broker.NewJob{job})
	if err != nil {
		return false, err
	}
	return answers[0], nil
}

func (j *joiner) handOver() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.goesOn() {
		j.calls--
		return
	}
	j.flushes.Go(j.flush)
}

// goesOn reports whether another call is to follow one that has ended. Callers
// hold mu.
func (j *joiner) goesOn() bool {
	return len(j.waiting) >= enoughForTwo || len(j.waiting) > 0 && j.calls == 1
}

// flush sends what waits, one call after the other, as long as that is enough.
func (j *joiner) flush() {
	for {
		batch := j.next()
		if len(batch) == 0 {
			return
		}
		j.send(batch)
	}
}

func (j *joiner) next() []*entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.goesOn() {
		j.calls--
		return nil
	}
	n := min(len(j.waiting), broker.MaxBatch)
	batch := j.waiting[:n:n]
	j.waiting = j.waiting[n:]
	if len(j.waiting) == 0 {
		j.waiting = nil
	}
	return batch
}

func (j *joiner) send(batch []*entry) {
	batch = stillWanted(batch)
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(batch[0].ctx), j.deadline(batch))
	defer cancel()
	newJobs := make([]broker.NewJob, len(batch))
	for i, e := range batch {
		newJobs[i] = e.job
	}
	existed, err := j.broker.Add(ctx, newJobs)
	for i, e := range batch {
		if err == nil {
			e.existed = existed[i]
		}
		e.err = err
		close(e.done)
	}
}

// stillWanted leaves out entries whose callers have gone: they were told that
// the job may not be stored, and now it will not be.
func stillWanted(batch []*entry) []*entry {
	wanted := batch[:0:0]
	for _, e := range batch {
		if e.ctx.Err() == nil {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// deadline is as long as the most patient caller of the batch waits.
func (j *joiner) deadline(batch []*entry) time.Time {
	patience := time.Now().Add(j.patience)
	var latest time.Time
	for _, e := range batch {
		deadline, ok := e.ctx.Deadline()
		if !ok {
			deadline = patience
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	return latest
}

func (j *joiner) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.flushes.Wait()
}
