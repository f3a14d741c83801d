package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// attempt is a job that one slot is running.
type attempt struct {
	taken  broker.Taken
	cancel context.CancelCauseFunc
	ctx    context.Context

	loading sync.Once
	task    *Task // set by load
	corrupt error // set by load: the job must not run

	renewed time.Time // when the lock was last known to be ours; the keeper's
	settled atomic.Bool
	started time.Time

	// Set once by the slot, or by the pool when it hands the job back.
	outcome broker.Outcome
	report  Attempt
}

// claim makes the caller the one who ends the attempt: the slot when the handler
// returns, the pool when it hands the job back. Only the first claim holds.
func (a *attempt) claim() bool { return a.settled.CompareAndSwap(false, true) }

// lease is the attempt's lock as the broker knows it.
func (a *attempt) lease() broker.Lease {
	return broker.Lease{ID: a.taken.ID, Token: a.taken.Token, Started: a.taken.Started}
}

// begin makes an attempt of a job that was taken.
func (p *Pool) begin(t broker.Taken) *attempt {
	a := &attempt{taken: t, renewed: t.LockEnd.Add(-p.options.LockDuration), started: time.Now()}
	a.ctx, a.cancel = context.WithCancelCause(p.work)
	p.running.add(a)
	p.held.add(a)
	p.counters.active.Add(1)
	p.tellLease(a, t.LockEnd)
	return a
}

// load makes the task of the stored record. The slot does it before anything
// else; the pool may have to, when it hands the job back.
func (p *Pool) load(a *attempt) {
	a.loading.Do(func() {
		job, corrupt := a.taken.Load()
		a.task = &Task{Job: *job, Attempt: job.AttemptsMade + 1, reports: p.broker}
		a.task.ProcessedBy = p.options.Name
		a.corrupt = corrupt
	})
}

func (p *Pool) tellLease(a *attempt, until time.Time) {
	if p.options.OnLease != nil {
		p.options.OnLease(Lease{JobID: a.taken.ID, Token: a.taken.Token, Attempt: a.taken.Started, Until: until})
	}
}

// run runs an attempt to its end. It returns false when somebody else has ended
// it in the meantime.
func (p *Pool) run(a *attempt) bool {
	p.load(a)
	result, err := p.perform(a)
	e := ending{err: err, cause: context.Cause(a.ctx)}
	p.running.remove(a)
	p.counters.active.Add(-1)
	if !a.claim() {
		p.log.Warn("job returned after it was handed back", slog.String("job_id", a.task.ID))
		return false
	}
	v := p.policy.judge(&a.task.Job, e, rand.Float64())
	a.conclude(p, v, e, result)
	a.cancel(nil)
	if v.kind == "" {
		p.refused(a, e.cause)
		return false
	}
	return true
}

// conclude fills in the outcome that goes to Redis and the report that goes to
// whoever observes.
func (a *attempt) conclude(p *Pool, v verdict, e ending, result []byte) {
	job := &a.task.Job
	a.outcome = broker.Outcome{
		Kind: v.kind, ID: job.ID, Token: a.taken.Token, Value: string(result), Delay: v.delay,
		MaxAttempts: job.MaxAttempts(), Made: job.AttemptsMade, Stalled: job.StalledCount,
		Started: job.AttemptsStarted,
	}
	switch v.kind {
	case broker.Completed:
		a.outcome.Keep = p.completedKept.of(job.Options.KeepCompleted)
	case broker.Failed, broker.Retry, broker.RetryFirst, broker.Backoff:
		a.outcome.Value = v.reason
		a.outcome.Stack = wire.EncodeStacktrace(traces(job, traceOf(a.task.Attempt, e.err)))
		a.outcome.Keep = p.failedKept.of(job.Options.KeepFailed)
	}
	a.report = Attempt{
		Job: job, Number: a.task.Attempt, Status: statuses[v.kind], Error: e.err, Worker: p.options.Name,
		Started: a.started, Finished: time.Now(), Waited: waited(job, a.started),
	}
}

// reconsider makes a failure of a result that Redis refused because of the job's
// children, as Node does: one more attempt may find them done, unless one has
// failed for good. It returns false when there is nothing more to send.
func (p *Pool) reconsider(a *attempt, refusal error) (again bool) {
	switch {
	case errors.Is(refusal, jobs.ErrPendingChildren):
	case errors.Is(refusal, jobs.ErrFailedChildren):
		refusal = jobs.Unrecoverable(refusal)
	default:
		p.refused(a, refusal)
		return false
	}
	e := ending{err: refusal}
	a.conclude(p, p.policy.judge(&a.task.Job, e, rand.Float64()), e, nil)
	return true
}

func waited(job *jobs.Job, started time.Time) time.Duration {
	if job.AttemptsMade > 0 {
		return 0
	}
	return max(0, started.Sub(job.Timestamp.Add(job.Options.Delay)))
}

// perform does what has to be done before a job may run, and runs it.
func (p *Pool) perform(a *attempt) ([]byte, error) {
	if err := p.refuse(a); err != nil {
		return nil, jobs.Unrecoverable(err)
	}
	if err := p.advance(a); err != nil {
		return nil, err
	}
	leave, err := p.enter(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := p.bounded(a)
	defer cancel()
	result, err := call(ctx, p.mux, a.task)
	if err != nil && errors.Is(context.Cause(ctx), jobs.ErrTimeout) {
		err = &timeoutError{cause: context.Cause(ctx), err: err}
	}
	return result, err
}

// refuse says why a job must fail without running.
func (p *Pool) refuse(a *attempt) error {
	job := &a.task.Job
	switch {
	case a.corrupt != nil:
		return fmt.Errorf("stored job is corrupt: %w", a.corrupt)
	case job.DeferredFailure != "":
		return errors.New(job.DeferredFailure)
	case !job.Options.ExpiresAt.IsZero() && job.ProcessedOn.After(job.Options.ExpiresAt):
		return fmt.Errorf("job expired at %s", job.Options.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// suspicion is how often a job was taken back from a dead worker before it runs
// alone, and lonelyDeaths how many workers it may then kill.
const (
	suspicion    = 2
	lonelyDeaths = 3
	hardTimes    = 7 // how many more, at most, where workers die all the time
)

// deathsAllowed is how many lone deaths quarantine a job, when so many workers
// died lately that ran other jobs. Two of those this one may have caused, before
// it ran alone; the rest show that workers die here of something else, and then
// three deaths in a row prove little.
func deathsAllowed(others int) int {
	return lonelyDeaths + min(max(0, others-suspicion), hardTimes)
}

// errQuarantined marks a job that is not run any more because it kills workers.
var errQuarantined = errors.New("quarantined")

// enter lets the attempt start: with others, or alone when it is a suspect.
func (p *Pool) enter(a *attempt) (leave func(), err error) {
	if !p.suspects(a) {
		return p.options.Alone.together(a.ctx)
	}
	reopen, err := p.options.Alone.alone(a.ctx)
	if err != nil {
		return nil, err
	}
	deaths, others, err := p.broker.Isolate(a.ctx, a.task.ID, a.taken.Token)
	if err != nil {
		reopen()
		return nil, err
	}
	if deaths >= deathsAllowed(others) {
		p.acquit(a)
		reopen()
		return nil, jobs.Unrecoverable(fmt.Errorf("%w: %d workers died while running this job alone", errQuarantined, deaths))
	}
	p.log.Warn("suspect job runs alone", slog.String("job_id", a.task.ID), slog.Int("stalled", a.task.StalledCount))
	return func() {
		p.acquit(a)
		reopen()
	}, nil
}

// suspects reports a job that has to run alone.
func (p *Pool) suspects(a *attempt) bool {
	return a.task.StalledCount >= suspicion && p.options.StalledLimit <= 0
}

// acquit forgets the lone starts: the worker has survived this one.
func (p *Pool) acquit(a *attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), p.options.LockDuration)
	defer cancel()
	if err := p.broker.Acquit(ctx, a.task.ID); err != nil {
		p.log.Warn("cannot forget a lone start", slog.String("job_id", a.task.ID), slog.Any("error", err))
	}
}

func (p *Pool) bounded(a *attempt) (context.Context, context.CancelFunc) {
	timeout := a.task.Options.Timeout
	if timeout == 0 {
		timeout = p.options.Timeout
	}
	if timeout <= 0 {
		return a.ctx, func() {}
	}
	return context.WithTimeoutCause(a.ctx, timeout, fmt.Errorf("%w after %s", jobs.ErrTimeout, timeout))
}

// timeoutError is a handler's error after its time was up. Its own words come
// second, and not at all when they only say that the context ended.
type timeoutError struct{ cause, err error }

func (e *timeoutError) Error() string {
	if errors.Is(e.err, context.Canceled) || errors.Is(e.err, context.DeadlineExceeded) {
		return e.cause.Error()
	}
	return e.cause.Error() + ": " + e.err.Error()
}

func (e *timeoutError) Unwrap() []error { return []error{e.cause, e.err} }
