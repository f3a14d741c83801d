package worker

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Options of a pool. The zero value works.
type Options struct {
	// Prefix is the first part of every key; "" is "bull".
	Prefix string

	// Concurrency is how many jobs run at a time; 0 is 1.
	Concurrency int

	// Name is stored with each job the pool runs and shown in CLIENT LIST; "" is
	// the host's name and the process id.
	Name string

	// LockDuration is how long a job stays ours without a renewal; 0 is 5 s. It is
	// renewed after a third of that. When a worker dies, its jobs wait so long for
	// another; when Redis or the process stands still for longer, a job may run
	// twice. BullMQ's default is 30 s; workers with different settings can share a
	// queue.
	LockDuration time.Duration

	// SweepInterval is the longest time between two looks for jobs of dead
	// workers; 0 is 5 s. While jobs run, the look comes when a lock would run out.
	SweepInterval time.Duration

	// StalledLimit fails a job that was taken back from a dead worker more often
	// than so many times: BullMQ's maxStalledCount. 0 does not: a job that was
	// taken back twice runs alone in its process from then on, and is quarantined
	// when three such runs end with the death of the worker, so that no job pays
	// for the deaths that another one caused.
	StalledLimit int

	// Alone is shared by the pools of one process, so that a suspect can run alone
	// in it; nil is a gate of the pool's own.
	Alone *Gate

	// Timeout bounds an attempt of a job that sets no timeout; 0 does not.
	Timeout time.Duration

	// ShutdownTimeout is how long Run waits for running jobs; 0 is 30 s.
	ShutdownTimeout time.Duration

	// KeepCompleted and KeepFailed are for jobs that do not say themselves; nil
	// keeps the newest 10,000 completed for a day, and 50,000 failed for 14.
	KeepCompleted *jobs.Retention
	KeepFailed    *jobs.Retention

	// Backoffs are delays for backoff types of the caller's own. attempt counts
	// from 1; the result is bounded by the job's MaxDelay.
	Backoffs map[jobs.BackoffType]func(attempt int, job *jobs.Job, err error) time.Duration

	// RateLimit is how many jobs may start in a span of time, over all workers of
	// the queue that set the same; the zero value is no limit.
	RateLimit jobs.RateLimit

	// MetricMinutes writes BullMQ's own metrics into the queue, for so many
	// minutes back; 0 does not.
	MetricMinutes int

	// OnAttempt is told of every attempt after its outcome is stored, or lost. It
	// is called from the pool's goroutines and must not block.
	OnAttempt func(Attempt)

	// AttemptsLogged says that OnAttempt logs how attempts ended, so the pool does
	// not. Else it does, and warns of those that failed.
	AttemptsLogged bool

	// OnLease is told of every lock that the pool takes and renews, as soon as
	// Redis has answered. It is called from the pool's goroutines and must not
	// block.
	OnLease func(Lease)

	Logger *slog.Logger
}

// Lease is the time for which a job belongs to one attempt.
type Lease struct {
	JobID   string
	Token   string    // names the fetch that took the job
	Attempt int       // attempts started, this one included; a retry and a job taken back count
	Until   time.Time // by this process's clock, and no later than by the server's
}

// Defaults that Options name.
const (
	DefaultLockDuration    = 5 * time.Second
	DefaultSweepInterval   = 5 * time.Second
	DefaultShutdownTimeout = 30 * time.Second
)

func (o Options) withDefaults() Options {
	o.Concurrency = cmp.Or(o.Concurrency, 1)
	o.LockDuration = cmp.Or(o.LockDuration, DefaultLockDuration)
	o.SweepInterval = cmp.Or(o.SweepInterval, DefaultSweepInterval)
	o.ShutdownTimeout = cmp.Or(o.ShutdownTimeout, DefaultShutdownTimeout)
	o.Name = cmp.Or(o.Name, defaultName())
	o.KeepCompleted = cmp.Or(o.KeepCompleted, &jobs.Retention{Count: 10_000, Age: 24 * time.Hour})
	o.KeepFailed = cmp.Or(o.KeepFailed, &jobs.Retention{Count: 50_000, Age: 14 * 24 * time.Hour})
	o.Alone = cmp.Or(o.Alone, NewGate())
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

func defaultName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

func (o *Options) validate() error {
	switch {
	case o.Concurrency < 0:
		return jobs.Invalid("concurrency", "must be at least 1")
	case o.LockDuration < 0 || o.LockDuration > 0 && o.LockDuration < 100*time.Millisecond:
		return jobs.Invalid("lock duration", "must be at least 100ms")
	case o.SweepInterval < 0 || o.SweepInterval > 0 && o.SweepInterval < 100*time.Millisecond:
		return jobs.Invalid("sweep interval", "must be at least 100ms")
	case o.StalledLimit < 0:
		return jobs.Invalid("stalled limit", "must not be negative")
	case o.Timeout < 0 || o.ShutdownTimeout < 0:
		return jobs.Invalid("timeout", "must not be negative")
	case (o.RateLimit.Max > 0) != (o.RateLimit.Duration > 0) || o.RateLimit.Max < 0:
		return jobs.Invalid("rate limit", "needs a positive number of jobs and a positive duration")
	}
	return nil
}
