package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// each runs a test on a bench of the embedded and of the real server.
func each(t *testing.T, test func(t *testing.T, b *jobstest.Bench)) {
	t.Helper()
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		t.Parallel()
		test(t, jobstest.On(t, server))
	})
}

// all is a mux with one handler for jobs of every name.
func all(h worker.Handler) *worker.Mux {
	mux := worker.NewMux()
	mux.Fallback(h)
	return mux
}

func nothing(context.Context, *worker.Task) (any, error) { return nil, nil }

// tally counts how often each job ran.
type tally struct {
	mu   sync.Mutex
	runs map[string]int
}

func (c *tally) count(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[string]int{}
	}
	c.runs[id]++
	return c.runs[id]
}

func TestAFailedJobIsTriedAgainAfterItsBackoff(t *testing.T) {
	tests := []struct {
		name    string
		backoff jobs.Backoff
		waits   []time.Duration // before the second attempt, and so on
	}{
		{"none", jobs.Backoff{}, []time.Duration{0, 0, 0}},
		{"fixed", jobs.Backoff{Type: jobs.Fixed, Delay: 20 * time.Millisecond}, []time.Duration{20, 20, 20}},
		{"linear", jobs.Backoff{Type: jobs.Linear, Delay: 20 * time.Millisecond}, []time.Duration{20, 40, 60}},
		{"exponential", jobs.Backoff{Type: jobs.Exponential, Delay: 20 * time.Millisecond}, []time.Duration{20, 40, 80}},
		{"capped", jobs.Backoff{Type: jobs.Exponential, Delay: 20 * time.Millisecond, MaxDelay: 30 * time.Millisecond}, []time.Duration{20, 30, 30}},
		{"of the worker's own", jobs.Backoff{Type: "moon"}, []time.Duration{10, 20, 30}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, b *jobstest.Bench) {
				q := b.Queue("q", queue.Options{CustomBackoffs: []jobs.BackoffType{"moon"}})
				var mu sync.Mutex // guards started
				var started []time.Time
				b.Pool("q", all(func(_ context.Context, task *worker.Task) (any, error) {
					mu.Lock()
					defer mu.Unlock()
					started = append(started, task.ProcessedOn)
					if task.LastAttempt() {
						return "at last", nil
					}
					return nil, fmt.Errorf("attempt %d failed", task.Attempt)
				}), worker.Options{Backoffs: map[jobs.BackoffType]func(int, *jobs.Job, error) time.Duration{
					"moon": func(attempt int, _ *jobs.Job, _ error) time.Duration {
						return time.Duration(attempt) * 10 * time.Millisecond
					},
				}})
				id := b.Add(q, "work", nil, jobs.Options{Attempts: 4, Backoff: tt.backoff})
				job := b.Await("q", id, jobs.Completed)
				if job.AttemptsMade != 4 || job.FailedReason != "attempt 3 failed" || len(job.Stacktrace) != 3 {
					t.Errorf("attempts %d, reason %q, %d traces", job.AttemptsMade, job.FailedReason, len(job.Stacktrace))
				}
				mu.Lock()
				defer mu.Unlock()
				for i, wait := range tt.waits {
					if got := started[i+1].Sub(started[i]); got < wait*time.Millisecond {
						t.Errorf("attempt %d came %s after the one before, wanted %s", i+2, got, wait*time.Millisecond)
					}
				}
			})
		})
	}
}

func TestHowAJobEnds(t *testing.T) {
	tests := []struct {
		name    string
		o       jobs.Options
		handler worker.Handler
		state   jobs.State
		reason  string
		made    int
	}{
		{"done", jobs.Options{}, nothing, jobs.Completed, "", 1},
		{"no attempts left", jobs.Options{Attempts: 2}, fails(errors.New("no")), jobs.Failed, "no", 2},
		{"unrecoverable", jobs.Options{Attempts: 5}, fails(jobs.Unrecoverable(errors.New("never"))), jobs.Failed, "never", 1},
		{"wrapped unrecoverable", jobs.Options{Attempts: 5}, fails(fmt.Errorf("send: %w", jobs.Unrecoverable(errors.New("never")))), jobs.Failed, "send: never", 1},
		{"result too large", jobs.Options{Attempts: 5}, returns(strings.Repeat("x", jobs.MaxReturn)), jobs.Failed, "value is too large: result has 16386 bytes, the limit is 16384", 1},
		{"panic", jobs.Options{}, func(context.Context, *worker.Task) (any, error) { panic("oh no") }, jobs.Failed, "panic: oh no", 1},
		{"expired", jobs.Options{Attempts: 5, ExpiresAt: time.Unix(1_700_000_000, 0)}, nothing, jobs.Failed, "job expired at 2023-11-14T22:13:20Z", 1},
		{"times out", jobs.Options{Timeout: 20 * time.Millisecond}, func(ctx context.Context, _ *worker.Task) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, jobs.Failed, "job timed out after 20ms", 1},
		{"backoff that no worker knows", jobs.Options{Attempts: 5, Backoff: jobs.Backoff{Type: "moon"}}, fails(errors.New("no")), jobs.Failed, `no (not retried: no backoff function for type "moon")`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, b *jobstest.Bench) {
				q := b.Queue("q", queue.Options{CustomBackoffs: []jobs.BackoffType{"moon"}})
				b.Pool("q", all(tt.handler), worker.Options{Name: "w1"})
				id := b.Add(q, "work", nil, tt.o)
				job := b.Await("q", id, tt.state)
				if job.FailedReason != tt.reason || job.AttemptsMade != tt.made {
					t.Errorf("reason %q after %d attempts, wanted %q after %d", job.FailedReason, job.AttemptsMade, tt.reason, tt.made)
				}
				if job.ProcessedBy != "w1" || job.FinishedOn.IsZero() || job.ProcessedOn.IsZero() {
					t.Errorf("by %q, started %s, finished %s", job.ProcessedBy, job.ProcessedOn, job.FinishedOn)
				}
			})
		})
	}
}

func fails(err error) worker.Handler {
	return func(context.Context, *worker.Task) (any, error) { return nil, err }
}

func returns(value any) worker.Handler {
	return func(context.Context, *worker.Task) (any, error) { return value, nil }
}

func TestSnoozeAndRetryAfterPutAJobOff(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		b.Pool("q", all(func(_ context.Context, task *worker.Task) (any, error) {
			if task.AttemptsStarted == 1 {
				if task.Name == "snooze" {
					return nil, jobs.Snooze(50*time.Millisecond, "not there yet")
				}
				return nil, jobs.RetryAfter(errors.New("429"), 50*time.Millisecond)
			}
			return nil, nil
		}), worker.Options{Concurrency: 2})
		for name, made := range map[string]int{"snooze": 1, "retry after": 2} {
			begin := time.Now()
			id := b.Add(q, name, nil, jobs.Options{Attempts: 2, Backoff: jobs.Backoff{Type: jobs.Fixed, Delay: time.Hour}})
			job := b.Await("q", id, jobs.Completed)
			if job.AttemptsMade != made || job.AttemptsStarted != 2 {
				t.Errorf("%s: %d attempts made of %d started, wanted %d of 2", name, job.AttemptsMade, job.AttemptsStarted, made)
			}
			if job.ProcessedOn.Sub(begin) < 49*time.Millisecond {
				t.Errorf("%s: ran again too early", name)
			}
		}
	})
}

type letter struct {
	To string `json:"to"`
}

type receipt struct {
	Sent int `json:"sent"`
}

var send = jobs.Define[letter, receipt]("email", "welcome")

func TestTypedHandlersGetTheirPayload(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("email", queue.Options{})
		mux := worker.NewMux()
		worker.Handle(mux, send, func(ctx context.Context, job *worker.Job[letter]) (receipt, error) {
			if err := job.Progress(ctx, 50); err != nil {
				return receipt{}, err
			}
			for i := range 3 {
				if err := job.Log(ctx, "line %d to %s", i, job.Payload.To); err != nil {
					return receipt{}, err
				}
			}
			return receipt{Sent: 1}, nil
		})
		b.Pool("email", mux, worker.Options{})
		id := b.Add(q, "welcome", letter{"ada"}, jobs.Options{KeepLogs: 2})
		job := b.Await("email", id, jobs.Completed)
		if string(job.ReturnValue) != `{"sent":1}` || string(job.Progress) != "50" {
			t.Errorf("result %s, progress %s", job.ReturnValue, job.Progress)
		}
		lines, total, err := b.Admin("email").Logs(t.Context(), id, 0, 10)
		if err != nil || total != 2 {
			t.Errorf("%d lines, %v", total, err)
		}
		if diff := cmp.Diff([]string{"line 1 to ada", "line 2 to ada"}, lines); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		misfit := b.Add(q, "welcome", []int{1}, jobs.Options{Attempts: 3})
		job = b.Await("email", misfit, jobs.Failed)
		if job.AttemptsMade != 1 || !strings.HasPrefix(job.FailedReason, "decode payload of welcome: ") {
			t.Errorf("a payload that does not fit: %d attempts, %q", job.AttemptsMade, job.FailedReason)
		}
		stranger := b.Add(q, "farewell", nil, jobs.Options{Attempts: 2})
		job = b.Await("email", stranger, jobs.Failed)
		if job.AttemptsMade != 2 || job.FailedReason != `no handler for jobs named "farewell" in queue email` {
			t.Errorf("a name that nobody knows: %d attempts, %q", job.AttemptsMade, job.FailedReason)
		}
	})
}

func TestMiddlewareWrapsFromTheOutsideIn(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	var said []string
	say := func(name string) worker.Middleware {
		return func(next worker.Handler) worker.Handler {
			return func(ctx context.Context, task *worker.Task) (any, error) {
				said = append(said, name+" before")
				result, err := next(ctx, task)
				said = append(said, fmt.Sprintf("%s after %v", name, err))
				return result, nil // the outer one makes it good
			}
		}
	}
	mux := all(fails(errors.New("broken")))
	mux.Use(say("outer"), say("inner"))
	b.Pool("q", mux, worker.Options{})
	id := b.Add(b.Queue("q", queue.Options{}), "work", nil, jobs.Options{})
	b.Await("q", id, jobs.Completed)
	want := []string{"outer before", "inner before", "inner after broken", "outer after <nil>"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestFinishedJobsAreKeptAsLongAsAsked(t *testing.T) {
	tests := []struct {
		name string
		keep jobs.Retention
		want int64
	}{
		{"all", jobs.Retention{}, 20},
		{"none", jobs.Retention{None: true}, 0},
		{"the newest 5", jobs.Retention{Count: 5}, 5},
		{"an hour", jobs.Retention{Age: time.Hour}, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, b *jobstest.Bench) {
				q := b.Queue("q", queue.Options{})
				var ended atomic.Int64
				b.Pool("q", all(func(_ context.Context, task *worker.Task) (any, error) {
					if task.Name == "bad" {
						return nil, errors.New("no")
					}
					return nil, nil
				}), worker.Options{
					KeepCompleted: &tt.keep, KeepFailed: &tt.keep, Concurrency: 3,
					OnAttempt: func(worker.Attempt) { ended.Add(1) },
				})
				for range 20 {
					b.Add(q, "good", nil, jobs.Options{})
					b.Add(q, "bad", nil, jobs.Options{})
				}
				b.Eventually("40 attempts ended", func() bool { return ended.Load() == 40 })
				if c := b.Counts("q"); c.Completed != tt.want || c.Failed != tt.want {
					t.Errorf("%d completed and %d failed are kept, wanted %d", c.Completed, c.Failed, tt.want)
				}
				own := b.Add(q, "good", nil, jobs.Options{KeepCompleted: &jobs.Retention{Count: 1}})
				b.Await("q", own, jobs.Completed)
				if n := b.Counts("q").Completed; n != 1 {
					t.Errorf("%d are kept by a job's own word, wanted 1", n)
				}
			})
		})
	}
}

func TestJobsRunInTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		var want []string
		for _, priority := range []jobs.Priority{jobs.Unprioritized, jobs.Critical, jobs.High, jobs.Normal, jobs.Low} {
			for i := range 20 {
				want = append(want, fmt.Sprintf("%d %d", priority, i))
			}
		}
		for i := range 20 {
			for _, priority := range []jobs.Priority{jobs.Low, jobs.Normal, jobs.Unprioritized, jobs.High, jobs.Critical} {
				b.Add(q, fmt.Sprintf("%d %d", priority, i), nil, jobs.Options{Priority: priority})
			}
		}
		var got []string
		b.Pool("q", all(func(_ context.Context, task *worker.Task) (any, error) {
			got = append(got, task.Name)
			return nil, nil
		}), worker.Options{Concurrency: 1})
		b.AwaitFinished("q", 100)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestFiveThousandJobsRunOnceEach(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	var count tally
	handler := all(func(_ context.Context, task *worker.Task) (any, error) { return count.count(task.ID), nil })
	one := b.Pool("q", handler, worker.Options{Concurrency: 50, Name: "one"})
	two := b.Pool("q", handler, worker.Options{Concurrency: 50, Name: "two"})
	for range 5 {
		items := make([]queue.Item, 1000)
		for i := range items {
			items[i] = queue.Item{Name: "work", Payload: i}
		}
		if _, err := q.AddBulk(t.Context(), items, queue.Bulk{}); err != nil {
			t.Fatal(err)
		}
	}
	b.AwaitFinished("q", 5000)
	if len(count.runs) != 5000 {
		t.Errorf("%d jobs ran", len(count.runs))
	}
	for id, n := range count.runs {
		if n != 1 {
			t.Errorf("job %s ran %d times", id, n)
		}
	}
	for _, p := range []*worker.Pool{one, two} {
		if m := p.Metrics(); m.CompletedJobs == 0 {
			t.Errorf("a pool did nothing: %+v", m)
		}
	}
}

func TestDelayedJobsRunInTheOrderInWhichTheyAreDueAndNotEarly(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		base := time.Now().Add(500 * time.Millisecond)
		var mu sync.Mutex // guards order
		var order []string
		b.Pool("q", all(func(_ context.Context, task *worker.Task) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, task.Name)
			n, err := strconv.Atoi(task.Name)
			if err != nil {
				return nil, err
			}
			if early := base.Add(time.Duration(n) * 50 * time.Millisecond).Truncate(time.Millisecond).Sub(task.ProcessedOn); early > 0 {
				t.Errorf("job %s ran %s early", task.Name, early)
			}
			return nil, nil
		}), worker.Options{Concurrency: 1})
		var want []string
		var items []queue.Item
		for i := range 10 {
			n := (i * 7) % 10 // added in another order than they are due
			items = append(items, queue.Item{Name: fmt.Sprint(n), Options: jobs.Options{RunAt: base.Add(time.Duration(n) * 50 * time.Millisecond)}})
			want = append(want, fmt.Sprint(i))
		}
		if _, err := q.AddBulk(t.Context(), items, queue.Bulk{}); err != nil {
			t.Fatal(err)
		}
		b.AwaitFinished("q", 10)
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestAStoppedPoolHandsItsJobsToAnotherAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		running := make(chan struct{}, 10)
		first := b.Pool("q", all(func(ctx context.Context, _ *worker.Task) (any, error) {
			running <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}), worker.Options{Concurrency: 2, LockDuration: time.Hour})
		ids := []string{b.Add(q, "a", nil, jobs.Options{Attempts: 1}), b.Add(q, "b", nil, jobs.Options{Attempts: 1})}
		<-running
		<-running
		b.Pool("q", all(nothing), worker.Options{}) // waits; its lock would take an hour to get
		if err := first.WaitForCompletion(0); !errors.Is(err, worker.ErrDeadline) {
			t.Errorf("error %v", err)
		}
		for _, id := range ids {
			job := b.Await("q", id, jobs.Completed)
			if job.AttemptsMade != 1 || job.AttemptsStarted != 2 || job.StalledCount != 0 {
				t.Errorf("job %s: %d attempts made of %d started, %d stalls", id, job.AttemptsMade, job.AttemptsStarted, job.StalledCount)
			}
		}
	})
}

func TestAQueueHasLimitsOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		meta := b.Prefix + ":q:meta"
		if err := b.Conn.HSet(t.Context(), meta, "concurrency", 2).Err(); err != nil {
			t.Fatal(err)
		}
		q := b.Queue("q", queue.Options{})
		var running, most atomic.Int64
		handler := all(func(context.Context, *worker.Task) (any, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(3 * time.Millisecond) // work, for others to overlap with
			return nil, nil
		})
		b.Pool("q", handler, worker.Options{Concurrency: 5})
		b.Pool("q", handler, worker.Options{Concurrency: 5})
		for range 30 {
			b.Add(q, "work", nil, jobs.Options{})
		}
		b.AwaitFinished("q", 30)
		if most.Load() > 2 {
			t.Errorf("%d jobs ran at once, the queue allows 2", most.Load())
		}
	})
}

func TestARateLimitHoldsOverAllPools(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		var mu sync.Mutex // guards starts
		var starts []time.Time
		handler := all(func(_ context.Context, task *worker.Task) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			starts = append(starts, task.ProcessedOn)
			return nil, nil
		})
		const max, window = 5, 300 * time.Millisecond
		o := worker.Options{Concurrency: 4, RateLimit: jobs.RateLimit{Max: max, Duration: window}}
		b.Pool("q", handler, o)
		b.Pool("q", handler, o)
		for range 15 {
			b.Add(q, "work", nil, jobs.Options{})
		}
		b.AwaitFinished("q", 15)
		// No more than max in one window means: the sixth starts a window after the
		// first, at the earliest.
		for i := max; i < len(starts); i += max {
			if gap := starts[i].Sub(starts[i-max]); gap < window-5*time.Millisecond {
				t.Errorf("jobs %d and %d started within %s", i-max, i, gap)
			}
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	tests := []struct {
		name  string
		queue string
		o     worker.Options
		field string
	}{
		{"queue", "a:b", worker.Options{}, "queue"},
		{"concurrency", "q", worker.Options{Concurrency: -1}, "concurrency"},
		{"short lock", "q", worker.Options{LockDuration: time.Millisecond}, "lock duration"},
		{"short sweep", "q", worker.Options{SweepInterval: -1}, "sweep interval"},
		{"stalled limit", "q", worker.Options{StalledLimit: -1}, "stalled limit"},
		{"timeout", "q", worker.Options{Timeout: -1}, "timeout"},
		{"shutdown", "q", worker.Options{ShutdownTimeout: -1}, "timeout"},
		{"half a limit", "q", worker.Options{RateLimit: jobs.RateLimit{Max: 1}}, "rate limit"},
		{"other half", "q", worker.Options{RateLimit: jobs.RateLimit{Duration: 1}}, "rate limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := worker.New(b.Conn, tt.queue, worker.NewMux(), tt.o)
			if invalid, ok := errors.AsType[*jobs.ValidationError](err); !ok || invalid.Field != tt.field {
				t.Errorf("error %v, wanted one about %s", err, tt.field)
			}
		})
	}
}

func TestEveryLeaseIsTold(t *testing.T) {
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		leases := make(chan worker.Lease, 100)
		enough := make(chan struct{})
		b.Pool("q", all(func(_ context.Context, task *worker.Task) (any, error) {
			<-enough
			return nil, nil
		}), worker.Options{LockDuration: 100 * time.Millisecond, OnLease: func(l worker.Lease) { leases <- l }})

		id := b.Add(q, "work", 1, jobs.Options{})
		taken, renewed := <-leases, <-leases
		close(enough)

		want := worker.Lease{JobID: id, Token: taken.Token, Attempt: 1}
		for _, got := range []worker.Lease{taken, renewed} {
			want.Until = got.Until
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lease (-want +got):\n%s", diff)
			}
		}
		if taken.Token == "" || !renewed.Until.After(taken.Until) {
			t.Errorf("taken %v, renewed %v: want a token and a later end", taken, renewed)
		}
	})
}
