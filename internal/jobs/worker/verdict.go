package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// ending is how a handler's run ended.
type ending struct {
	err   error
	cause error // why the context was cancelled, if it was
}

// verdict is what happens to the job now.
type verdict struct {
	kind   broker.Kind // "" when the outcome is not ours to store
	delay  time.Duration
	reason string // of the failure
}

// judge decides what becomes of an attempt. random is in [0,1).
//
//	lock lost                    → nothing: it is not ours any more
//	no error                     → completed
//	error after ErrShutdown      → release, the attempt does not count
//	Snooze                       → snooze, the attempt does not count
//	Unrecoverable                → failed
//	no attempts left             → failed
//	RetryAfter                   → backoff by what was asked
//	backoff of a known type      → backoff, or retry when it is 0
//	backoff of an unknown type   → failed, saying so
func (p *policy) judge(job *jobs.Job, e ending, random float64) verdict {
	switch {
	case errors.Is(e.cause, jobs.ErrLockLost):
		return verdict{}
	case e.err == nil:
		return verdict{kind: broker.Completed}
	case errors.Is(e.cause, jobs.ErrShutdown):
		return verdict{kind: broker.Release}
	}
	if d, ok := jobs.SnoozedFor(e.err); ok {
		return verdict{kind: broker.Snooze, delay: d, reason: e.err.Error()}
	}
	reason := cut(e.err.Error(), maxReason)
	if jobs.IsUnrecoverable(e.err) || job.AttemptsMade+1 >= job.MaxAttempts() {
		return verdict{kind: broker.Failed, reason: reason}
	}
	delay, err := p.delay(job, e.err, random)
	if err != nil {
		return verdict{kind: broker.Failed, reason: cut(reason+" (not retried: "+err.Error()+")", maxReason)}
	}
	return retryAfter(job, delay, reason)
}

func retryAfter(job *jobs.Job, delay time.Duration, reason string) verdict {
	if delay >= time.Millisecond {
		return verdict{kind: broker.Backoff, delay: delay, reason: reason}
	}
	if job.Options.LIFO {
		return verdict{kind: broker.RetryFirst, reason: reason}
	}
	return verdict{kind: broker.Retry, reason: reason}
}

// maxReason bounds failedReason, in bytes: it travels in the event stream too.
const maxReason = 2 << 10

// policy is what a pool's options say about failures.
type policy struct {
	backoffs map[jobs.BackoffType]backoff
}

func (p *policy) delay(job *jobs.Job, cause error, random float64) (time.Duration, error) {
	if d, ok := jobs.AskedDelay(cause); ok {
		return d, nil
	}
	b, attempt := job.Options.Backoff, job.AttemptsMade+1
	if b.Type == "" || b.Type.Shipped() {
		return b.After(attempt, random), nil
	}
	custom, ok := p.backoffs[b.Type]
	if !ok {
		return 0, fmt.Errorf("no backoff function for type %q", b.Type)
	}
	d, err := ask(custom, attempt, job, cause)
	if b.MaxDelay > 0 {
		d = min(d, b.MaxDelay)
	}
	return max(0, d), err
}

// backoff is a function of the caller's own: how long to wait after an attempt.
type backoff = func(attempt int, job *jobs.Job, err error) time.Duration

// ask calls one. A panic is its error, and not the end of the process.
func ask(custom backoff, attempt int, job *jobs.Job, cause error) (d time.Duration, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("backoff function of type %q: panic: %v", job.Options.Backoff.Type, value)
		}
	}()
	return custom(attempt, job, cause), nil
}

// traces appends this attempt's trace to the job's and keeps the newest, as
// many as the job wants and as fit into jobs.MaxStacktrace bytes.
func traces(job *jobs.Job, trace string) []string {
	all := append(job.Stacktrace[:len(job.Stacktrace):len(job.Stacktrace)], cut(trace, jobs.MaxStacktrace/2))
	if limit := job.Options.StackTraceLimit; limit > 0 && len(all) > limit {
		all = all[len(all)-limit:]
	}
	size := 0
	for i := len(all) - 1; i >= 0; i-- {
		if size += len(all[i]); size > jobs.MaxStacktrace {
			return all[i+1:]
		}
	}
	return all
}
