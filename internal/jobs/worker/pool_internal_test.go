package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

func TestAPoolStartsOnceAndStaysStopped(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{}, work(0))
		if err := p.Start(); !errors.Is(err, ErrStarted) {
			t.Errorf("second start: %v", err)
		}
		s.end(p)
		s.end(p)
		p.Stop()
		if err := p.Start(); !errors.Is(err, ErrStarted) {
			t.Errorf("start after stop: %v", err)
		}
	})
}

func TestAPoolThatWasNeverStartedStops(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.newPool(Options{}, work(0))
		s.end(p)
		if err := p.Start(); !errors.Is(err, ErrStarted) {
			t.Errorf("start after stop: %v", err)
		}
	})
}

func TestStopWithIdleSlotsReturnsAtOnce(t *testing.T) {
	for _, when := range []time.Duration{0, time.Microsecond, 500 * time.Microsecond, time.Second, 7 * time.Second} {
		t.Run(when.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				p := s.start(Options{Concurrency: 10}, work(0))
				time.Sleep(when)
				begin := time.Now()
				s.end(p)
				if took := time.Since(begin); took > 10*time.Millisecond {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestStopLetsRunningJobsFinish(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(jobList(10)...)
		p := s.start(Options{Concurrency: 4}, work(20*time.Second))
		time.Sleep(time.Second)
		s.end(p)
		if got := len(s.log.statuses()); got != 4 {
			t.Errorf("%d jobs ended, wanted the 4 that ran", got)
		}
		for _, a := range s.log.attempts {
			if a.Status != StatusCompleted {
				t.Errorf("job %s is %s", a.Job.ID, a.Status)
			}
		}
		if n := len(s.redis.waiting); n != 6 {
			t.Errorf("%d jobs wait, wanted the other 6", n)
		}
		if len(s.redis.renewals) == 0 {
			t.Error("locks were not renewed while the pool stopped")
		}
	})
}

func TestStopWhileACallIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.latency = time.Second
		s.redis.add(jobList(3)...)
		p := s.start(Options{Concurrency: 3}, work(5*time.Second))
		time.Sleep(6*time.Second + 500*time.Millisecond) // the outcomes are on their way
		s.end(p)
		for i := range 3 {
			if id := fmt.Sprintf("j%03d", i); s.redis.count(id) != 1 {
				t.Errorf("the outcome of %s was stored %d times", id, s.redis.count(id))
			}
		}
		if n := len(s.redis.active); n != 0 {
			t.Errorf("%d jobs are still active", n)
		}
	})
}

// Whoever has taken the marker and stops hands it on: others would sleep.
func TestTheMarkerTakenByAStoppingPoolIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 2}, work(0))
		s.calm()
		s.redis.add(job("a")) // the listener wakes with the marker …
		p.Stop()              // … and the pool has stopped before it can fetch
		s.end(p)
		if s.redis.count("a") == 0 {
			if !s.redis.marked() {
				t.Error("job a waits and no marker tells")
			}
		}
	})
}

func TestAtTheDeadlineJobsAreCancelledAndReleased(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(jobList(3)...)
		var mu sync.Mutex // guards causes
		var causes []error
		p := s.start(Options{Concurrency: 3}, func(ctx context.Context, task *Task) (any, error) {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			causes = append(causes, context.Cause(ctx))
			return nil, ctx.Err()
		})
		time.Sleep(time.Second)
		p.Stop()
		begin := time.Now()
		err := p.WaitForCompletion(10 * time.Second)
		if took := time.Since(begin); took < 10*time.Second || took > 10*time.Second+100*time.Millisecond {
			t.Errorf("took %s, wanted 10 s and a moment", took)
		}
		if !errors.Is(err, ErrDeadline) || !strings.Contains(err.Error(), "3 handed back") {
			t.Errorf("error %v", err)
		}
		for _, cause := range causes {
			if !errors.Is(cause, jobs.ErrShutdown) {
				t.Errorf("cause %v, wanted ErrShutdown", cause)
			}
		}
		if len(causes) != 3 || len(s.redis.waiting) != 3 || len(s.redis.active) != 0 {
			t.Errorf("%d cancelled, %d wait, %d active", len(causes), len(s.redis.waiting), len(s.redis.active))
		}
		for _, j := range s.redis.waiting {
			if j.AttemptsMade != 0 {
				t.Errorf("job %s has %d attempts made", j.ID, j.AttemptsMade)
			}
		}
		if got := s.log.last().Status; got != StatusReleased {
			t.Errorf("status %s", got)
		}
	})
}

func TestAJobThatCompletesInTheGraceIsCompleted(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("a"))
		p := s.start(Options{}, func(ctx context.Context, _ *Task) (any, error) {
			<-ctx.Done()
			time.Sleep(200 * time.Millisecond)
			return "made it", nil
		})
		time.Sleep(time.Second)
		if err := p.WaitForCompletion(time.Second); !errors.Is(err, ErrDeadline) {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff([]broker.Kind{broker.Completed}, s.redis.kinds("a")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHandlersThatIgnoreTheirContextAreHandedBackAndNotHeard(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("deaf"))
		release := make(chan struct{})
		p := s.start(Options{}, func(context.Context, *Task) (any, error) {
			<-release
			return "too late", nil
		})
		time.Sleep(time.Second)
		begin := time.Now()
		if err := p.WaitForCompletion(3 * time.Second); !errors.Is(err, ErrDeadline) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("took %s", took)
		}
		if diff := cmp.Diff([]broker.Kind{broker.Release}, s.redis.kinds("deaf")); diff != "" {
			t.Error(diff)
		}
		calls := len(s.redis.called())
		close(release)
		synctest.Wait()
		if len(s.redis.called()) != calls {
			t.Error("what it returned later was sent")
		}
		if diff := cmp.Diff([]string{"deaf released"}, s.log.statuses()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNothingIsLostWhenRedisIsAwayForAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(jobList(20)...)
		p := s.start(Options{Concurrency: 5}, work(3*time.Second))
		time.Sleep(time.Second)
		s.redis.fall()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(s.log.statuses()); n != 0 {
			t.Errorf("%d outcomes were told while Redis was away", n)
		}
		s.redis.rise()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		for i := range 20 {
			id := fmt.Sprintf("j%03d", i)
			if diff := cmp.Diff([]broker.Kind{broker.Completed}, s.redis.kinds(id)); diff != "" {
				t.Errorf("job %s: %s", id, diff)
			}
		}
		s.redis.add(job("after"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s.redis.count("after") != 1 {
			t.Error("the pool does not hear of new work")
		}
		s.end(p)
	})
}

func TestAnIdlePoolStopsSoonWhileRedisIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 2}, work(0))
		time.Sleep(time.Second)
		s.redis.fall()
		time.Sleep(20 * time.Second)
		begin := time.Now()
		if err := p.WaitForCompletion(30 * time.Second); err != nil {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %s with nothing to store", took)
		}
	})
}

func TestOutcomesThatCannotBeStoredAreSaidToBe(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("a"))
		p := s.start(Options{}, work(time.Second))
		time.Sleep(500 * time.Millisecond)
		s.redis.fall()
		time.Sleep(time.Second)
		begin := time.Now()
		err := p.WaitForCompletion(5 * time.Second)
		if !errors.Is(err, ErrDeadline) || !strings.Contains(err.Error(), "could not be stored") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took > 12*time.Second {
			t.Errorf("took %s", took)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"a lost"}, s.log.statuses()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRunStopsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("a"))
		p := s.newPool(Options{ShutdownTimeout: 5 * time.Second}, work(3*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Errorf("error %v", err)
		}
		if s.redis.count("a") != 1 {
			t.Error("the running job was not finished")
		}
	})
}

func TestHowAnAttemptEnds(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name    string
		handler Handler
		timeout time.Duration
		kind    broker.Kind
		status  Status
		value   string
	}{
		{"returns", func(context.Context, *Task) (any, error) { return 42, nil }, 0, broker.Completed, StatusCompleted, "42"},
		{"returns nothing", func(context.Context, *Task) (any, error) { return nil, nil }, 0, broker.Completed, StatusCompleted, "null"},
		{"fails", func(context.Context, *Task) (any, error) { return nil, boom }, 0, broker.Retry, StatusRetrying, "boom"},
		{
			"fails for good", func(context.Context, *Task) (any, error) { return nil, jobs.Unrecoverable(boom) },
			0, broker.Failed, StatusFailed, "boom",
		},
		{"panics", func(context.Context, *Task) (any, error) { panic("oh no") }, 0, broker.Retry, StatusRetrying, "panic: oh no"},
		{"panics with an error", func(context.Context, *Task) (any, error) { panic(jobs.Unrecoverable(boom)) }, 0, broker.Failed, StatusFailed, "panic: boom"},
		{"panics with nil", func(context.Context, *Task) (any, error) { panic(nil) }, 0, broker.Retry, StatusRetrying, "panic: panic called with nil argument"},
		{
			"fails with an error that is none", func(context.Context, *Task) (any, error) { var none *hollow; return nil, none },
			0, broker.Retry, StatusRetrying, "panic: runtime error: invalid memory address or nil pointer dereference",
		},
		{
			"returns what panics when it is encoded", func(context.Context, *Task) (any, error) { return unwritable{}, nil },
			0, broker.Retry, StatusRetrying, "panic: not me",
		},
		{"ends its goroutine", func(context.Context, *Task) (any, error) { runtime.Goexit(); return nil, nil }, 0, broker.Retry, StatusRetrying, "handler ended its goroutine"},
		{"takes too long", work(time.Hour), 2 * time.Second, broker.Retry, StatusRetrying, "job timed out after 2s"},
		{
			"takes too long and says more",
			func(ctx context.Context, _ *Task) (any, error) { <-ctx.Done(); return nil, boom },
			2 * time.Second, broker.Retry, StatusRetrying, "job timed out after 2s: boom",
		},
		{
			"is late and done", func(ctx context.Context, _ *Task) (any, error) { <-ctx.Done(); return 1, nil },
			2 * time.Second, broker.Completed, StatusCompleted, "1",
		},
		{
			"snoozes", func(context.Context, *Task) (any, error) { return nil, jobs.Snooze(time.Hour, "not yet") },
			0, broker.Snooze, StatusSnoozed, "",
		},
		{
			"asks for another time", func(context.Context, *Task) (any, error) { return nil, jobs.RetryAfter(boom, time.Hour) },
			0, broker.Backoff, StatusRetrying, "boom",
		},
		{
			"returns what is no JSON", func(context.Context, *Task) (any, error) { return func() {}, nil },
			0, broker.Failed, StatusFailed, "result cannot be stored as JSON: json: unsupported type: func()",
		},
		{
			"returns too much", func(context.Context, *Task) (any, error) { return strings.Repeat("x", jobs.MaxReturn), nil },
			0, broker.Failed, StatusFailed, "value is too large: result has 16386 bytes, the limit is 16384",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				j := job("a")
				j.Options.Timeout = tt.timeout
				s.redis.add(j)
				var calls atomic.Int64
				p := s.start(Options{}, func(ctx context.Context, task *Task) (any, error) {
					if calls.Add(1) > 1 {
						return "next attempt", nil
					}
					return tt.handler(ctx, task)
				})
				// One attempt, and not the next: Redis falls silent once it has the first.
				for s.redis.count("a") == 0 {
					time.Sleep(100 * time.Microsecond)
				}
				first := locked(s.redis, func() broker.Kind { return s.redis.stored["a"][0] })
				value := locked(s.redis, func() string { return s.redis.results["a"] })
				if first != tt.kind {
					t.Errorf("outcome %q, wanted %q", first, tt.kind)
				}
				if tt.kind != broker.Snooze && value != tt.value {
					t.Errorf("stored %q, wanted %q", value, tt.value)
				}
				time.Sleep(time.Second)
				s.end(p)
				if got := s.log.attempts[0].Status; got != tt.status {
					t.Errorf("told %q, wanted %q", got, tt.status)
				}
			})
		})
	}
}

// hollow is an error that cannot say what it is when it is nil.
type hollow struct{ text string }

func (h *hollow) Error() string { return h.text }

type unwritable struct{}

func (unwritable) MarshalJSON() ([]byte, error) { panic("not me") }

func TestAFailedAttemptIsWarnedOfUnlessTheCallerLogsIt(t *testing.T) {
	for _, logged := range []bool{false, true} {
		bubble(t, func(t *testing.T, s *story) {
			var log strings.Builder // the handler writes one line at a time
			p := s.start(Options{
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), AttemptsLogged: logged,
			}, func(context.Context, *Task) (any, error) { return nil, jobs.Unrecoverable(errors.New("broken")) })
			s.redis.add(job("a"))
			s.calm()
			s.end(p)
			want := 1
			if logged {
				want = 0
			}
			if n := strings.Count(log.String(), "job_id=a"); n != want || len(s.log.statuses()) != 1 {
				t.Errorf("with AttemptsLogged %t, %d lines, and OnAttempt was told of %v:\n%s", logged, n, s.log.statuses(), &log)
			}
		})
	}
}

func TestGoexitDoesNotCostASlot(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 2}, func(_ context.Context, task *Task) (any, error) {
			if task.Attempt < 3 {
				runtime.Goexit()
			}
			return nil, nil
		})
		s.redis.add(jobList(50)...)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for id, kinds := range s.redis.stored {
			if diff := cmp.Diff([]broker.Kind{broker.Retry, broker.Retry, broker.Completed}, kinds); diff != "" {
				t.Fatalf("job %s: %s", id, diff)
			}
		}
		if len(s.redis.stored) != 50 {
			t.Errorf("%d of 50 jobs ended", len(s.redis.stored))
		}
		if m := p.Metrics(); m.ActiveJobs != 0 || m.CompletedJobs != 50 {
			t.Errorf("metrics %+v", m)
		}
		s.end(p)
	})
}

func TestGoexitDuringAStopIsStored(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.latency = 100 * time.Millisecond
		s.redis.add(jobList(2)...)
		p := s.start(Options{Concurrency: 2}, func(ctx context.Context, _ *Task) (any, error) {
			time.Sleep(time.Second)
			runtime.Goexit()
			return nil, nil
		})
		time.Sleep(500 * time.Millisecond)
		s.end(p)
		for i := range 2 {
			if id := fmt.Sprintf("j%03d", i); s.redis.count(id) != 1 {
				t.Errorf("the outcome of %s was stored %d times", id, s.redis.count(id))
			}
		}
	})
}

func TestALostLockCancelsItsJobAndItsOutcomeIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("a"))
		var cause error
		p := s.start(Options{LockDuration: 6 * time.Second}, func(ctx context.Context, _ *Task) (any, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return "done all the same", nil
		})
		time.Sleep(time.Second)
		s.redis.steal("a")
		begin := time.Now()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if !errors.Is(cause, jobs.ErrLockLost) {
			t.Fatalf("%s after the lock was lost the cause is %v", time.Since(begin), cause)
		}
		if s.redis.count("a") != 0 {
			t.Error("the outcome was sent")
		}
		if a := s.log.last(); a.Status != StatusLost || !errors.Is(a.Error, jobs.ErrLockLost) {
			t.Errorf("told %s, %v", a.Status, a.Error)
		}
		s.redis.add(job("b")) // and the slot lives on
		time.Sleep(time.Second)
		synctest.Wait()
		if !s.redis.running("b") {
			t.Error("the slot takes no job any more")
		}
		p.WaitForCompletion(0)
	})
}

func TestLocksAreRenewedAfterAThirdInOneCall(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(jobList(3)...)
		p := s.start(Options{Concurrency: 3, LockDuration: 6 * time.Second}, work(30*time.Second))
		time.Sleep(29 * time.Second)
		s.end(p)
		want := []string{"j000", "j001", "j002"}
		for _, ids := range s.redis.renewals {
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("one call renews (-want +got):\n%s", diff)
			}
		}
		if n := len(s.redis.renewals); n < 9 || n > 15 {
			t.Errorf("%d renewals in 29 s with a lock of 6 s, wanted one every 2 to 3 s", n)
		}
	})
}

// A dead connection can hold an outcome back for longer than its lock lives; the
// keeper has another.
func TestLocksAreRenewedUntilOutcomesAreStored(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("a"))
		s.redis.stuck = make(chan struct{})
		p := s.start(Options{LockDuration: 6 * time.Second}, work(time.Second))
		time.Sleep(20 * time.Second)
		if n := locked(s.redis, func() int { return len(s.redis.renewals) }); n < 6 {
			t.Errorf("%d renewals while the outcome was on its way for 19 s with a lock of 6 s, wanted one every 2 to 3 s", n)
		}
		close(s.redis.stuck)
		s.calm()
		before := len(s.redis.renewals)
		time.Sleep(10 * time.Second)
		s.end(p)
		if n := len(s.redis.renewals) - before; n > 0 {
			t.Errorf("%d renewals after the outcome was stored", n)
		}
		if diff := cmp.Diff([]string{"a completed"}, s.log.statuses()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNoJobIsCancelledBecauseRedisIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(job("a"))
		p := s.start(Options{}, work(time.Minute))
		time.Sleep(time.Second)
		s.redis.fall()
		time.Sleep(30 * time.Second)
		s.redis.rise()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a completed"}, s.log.statuses()); diff != "" {
			t.Error(diff)
		}
		s.end(p)
	})
}

func TestTheListenerSurvivesEveryError(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		var failing atomic.Bool
		mux := NewMux()
		mux.Fallback(work(0))
		broken := &brokenListener{listener: s.redis.listener(), failing: &failing}
		p, err := newPool("q", mux, s.redis, func() listener { return broken }, Options{OnAttempt: s.log.note})
		if err != nil {
			t.Fatal(err)
		}
		failing.Store(true)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		// While it cannot listen it looks about twice a second, so work goes on.
		s.redis.add(job("a"))
		time.Sleep(time.Second)
		synctest.Wait()
		if s.redis.count("a") != 1 {
			t.Error("job a still waits while the listener is broken")
		}
		if n := broken.failed.Load(); n > 200 {
			t.Errorf("%d failures in a minute", n)
		}
		failing.Store(false)
		time.Sleep(2 * time.Second)
		s.redis.add(job("b"))
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if s.redis.count("b") != 1 {
			t.Error("job b still waits after the listener has recovered")
		}
		s.end(p)
	})
}

type brokenListener struct {
	listener
	failing *atomic.Bool
	failed  atomic.Int64
}

func (b *brokenListener) Wait(ctx context.Context, d time.Duration) (bool, time.Time, error) {
	if b.failing.Load() {
		b.failed.Add(1)
		return false, time.Time{}, errors.New("connection reset by peer")
	}
	return b.listener.Wait(ctx, d)
}

func TestAPoolHasAPulseWhetherIdleOrBusy(t *testing.T) {
	tests := []struct {
		name string
		jobs int
	}{{"idle", 0}, {"with one slot busy", 1}, {"with all slots busy", 2}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				s.redis.add(jobList(tt.jobs)...)
				p := s.start(Options{Concurrency: 2}, work(time.Hour))
				for range 60 {
					time.Sleep(time.Second)
					if silence := time.Since(p.LastPulse()); silence > 6*time.Second {
						t.Fatalf("silent for %s", silence)
					}
				}
				s.redis.fall()
				time.Sleep(time.Minute)
				if silence := time.Since(p.LastPulse()); silence < 50*time.Second {
					t.Errorf("a pulse %s ago while Redis is away", silence)
				}
				s.redis.rise()
				p.WaitForCompletion(0)
			})
		})
	}
}
