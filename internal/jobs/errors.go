package jobs

import (
	"errors"
	"fmt"
	"time"
)

// What a caller can act on. Errors of this module wrap one of these; compare
// with errors.Is.
var (
	// ErrNotFound: no job with that id is stored.
	ErrNotFound = errors.New("job not found")
	// ErrNotInState: the job exists, but is not where the operation needs it.
	ErrNotInState = errors.New("job is not in the required state")
	// ErrLocked: a worker is running the job, so it cannot be removed.
	ErrLocked = errors.New("job is locked by a worker")
	// ErrPendingChildren: a parent cannot complete before its children.
	ErrPendingChildren = errors.New("job has pending children")
	// ErrFailedChildren: a child failed whose failure fails the parent.
	ErrFailedChildren = errors.New("job has failed children")
	// ErrParentMissing: the parent that a child names is not stored.
	ErrParentMissing = errors.New("parent job not found")
	// ErrParentConflict: the job already is a child of another parent.
	ErrParentConflict = errors.New("job belongs to another parent")
	// ErrSchedulerJob: the job is the pending run of a job scheduler; remove
	// the scheduler instead.
	ErrSchedulerJob = errors.New("job belongs to a job scheduler")
	// ErrNotPaused: the queue has to be paused first.
	ErrNotPaused = errors.New("queue is not paused")
	// ErrActiveJobs: jobs are running, and the operation was not forced.
	ErrActiveJobs = errors.New("queue has active jobs")
	// ErrTooLarge: data, a result or a progress report is over its limit.
	ErrTooLarge = errors.New("value is too large")
	// ErrInvalid: see ValidationError, which says what and why.
	ErrInvalid = errors.New("invalid input")
)

// Why a running job's context was cancelled: errors.Is(context.Cause(ctx), …).
var (
	// ErrLockLost: the lease ran out or went to another worker; whatever the
	// handler returns now is refused.
	ErrLockLost = errors.New("job lock lost")
	// ErrShutdown: the worker is stopping and its deadline has passed; the job
	// goes back to its queue with its attempts untouched.
	ErrShutdown = errors.New("worker is shutting down")
	// ErrTimeout: the attempt took longer than the job's timeout.
	ErrTimeout = errors.New("job timed out")
)

// Redis could not serve the call. All of them are ErrUnavailable, and the call
// may be repeated: no operation of this module does harm when sent twice.
var (
	ErrUnavailable = errors.New("redis is unavailable")
	ErrLoading     = fmt.Errorf("%w: it is loading its dataset", ErrUnavailable)
	ErrReadOnly    = fmt.Errorf("%w: it is a read-only replica", ErrUnavailable)
	ErrOutOfMemory = fmt.Errorf("%w: it is out of memory", ErrUnavailable)
	ErrBusy        = fmt.Errorf("%w: it is busy running a script", ErrUnavailable)

	// ErrNotReplicated: stored on the primary, and so perhaps lost with it.
	ErrNotReplicated = fmt.Errorf("%w: too few replicas acknowledge", ErrUnavailable)
)

// ValidationError is input that was refused before anything was sent.
type ValidationError struct {
	Field  string // the option or argument, as the caller names it: "delay", "jobId"
	Reason string // what is wrong, and what would be right
}

func (e *ValidationError) Error() string { return e.Field + ": " + e.Reason }

// Is makes every ValidationError an ErrInvalid.
func (e *ValidationError) Is(target error) bool { return target == ErrInvalid }

// Invalid returns a ValidationError.
func Invalid(field, format string, args ...any) error {
	return &ValidationError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// Unrecoverable marks err as permanent: the job fails at once, however many
// attempts it has left. Unrecoverable(nil) is nil.
func Unrecoverable(err error) error {
	if err == nil {
		return nil
	}
	return &unrecoverableError{err}
}

type unrecoverableError struct{ err error }

func (e *unrecoverableError) Error() string { return e.err.Error() }
func (e *unrecoverableError) Unwrap() error { return e.err }

// IsUnrecoverable reports whether err was marked by Unrecoverable.
func IsUnrecoverable(err error) bool {
	_, ok := errors.AsType[*unrecoverableError](err)
	return ok
}

// Snooze, returned by a handler, puts its job aside for d without counting an
// attempt: what the job waits for is not there yet. The reason shows in logs.
func Snooze(d time.Duration, reason string) error {
	return &snoozeError{delay: max(0, d), reason: reason}
}

type snoozeError struct {
	delay  time.Duration
	reason string
}

func (e *snoozeError) Error() string { return fmt.Sprintf("snoozed for %s: %s", e.delay, e.reason) }

// SnoozedFor returns the delay of a Snooze in err's chain.
func SnoozedFor(err error) (time.Duration, bool) {
	if s, ok := errors.AsType[*snoozeError](err); ok {
		return s.delay, true
	}
	return 0, false
}

// RetryAfter is err with the delay that the next attempt should wait, in place
// of the job's backoff: what a server asked for with 429 or 503. It counts as
// an attempt.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err: err, delay: max(0, d)}
}

type retryAfterError struct {
	err   error
	delay time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// AskedDelay returns the delay of a RetryAfter in err's chain.
func AskedDelay(err error) (time.Duration, bool) {
	if r, ok := errors.AsType[*retryAfterError](err); ok {
		return r.delay, true
	}
	return 0, false
}
