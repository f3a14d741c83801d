package admin_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// floor is a queue with jobs in the places that a test asks for.
type floor struct {
	*jobstest.Bench
	queue *queue.Queue
	admin *admin.Queue
	ctx   context.Context
}

// each runs a test on a queue of the embedded and of the real server.
func each(t *testing.T, test func(t *testing.T, f *floor)) {
	t.Helper()
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		t.Parallel()
		b := jobstest.On(t, server)
		test(t, &floor{Bench: b, queue: b.Queue("q", queue.Options{}), admin: b.Admin("q"), ctx: t.Context()})
	})
}

// add puts a job where its name says, one at a time.
func (f *floor) add(where jobs.State, id string) string {
	f.Helper()
	o := jobs.Options{ID: id}
	switch where {
	case jobs.Waiting:
		o.Priority = jobs.Unprioritized
	case jobs.Delayed:
		o.Delay = time.Hour
	}
	f.Bench.Add(f.queue, "work", id, o)
	return id
}

// finished runs jobs to their end: those whose id begins with bad fail.
func (f *floor) finished(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.add(jobs.Waiting, id)
	}
	p := f.NewPool("q", handler(func(_ context.Context, task *worker.Task) (any, error) {
		if strings.HasPrefix(task.ID, "bad") {
			return nil, errors.New("broken")
		}
		return "ok", nil
	}), worker.Options{})
	if err := p.Start(); err != nil {
		f.Fatal(err)
	}
	for _, id := range ids {
		want := jobs.Completed
		if strings.HasPrefix(id, "bad") {
			want = jobs.Failed
		}
		f.Await("q", id, want)
	}
	if err := p.WaitForCompletion(jobstest.Patience); err != nil {
		f.Fatal(err)
	}
}

// running starts jobs that run until the test ends.
func (f *floor) running(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.add(jobs.Waiting, id)
	}
	f.Pool("q", handler(func(ctx context.Context, _ *worker.Task) (any, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}), worker.Options{Concurrency: len(ids), ShutdownTimeout: time.Millisecond})
	for _, id := range ids {
		f.Await("q", id, jobs.Active)
	}
}

func handler(h worker.Handler) *worker.Mux {
	mux := worker.NewMux()
	mux.Fallback(h)
	return mux
}

// states are the places of jobs, "gone" for one that is not stored.
func (f *floor) states(ids ...string) (states []string) {
	f.Helper()
	for _, id := range ids {
		_, state, err := f.admin.Get(f.ctx, id)
		switch {
		case errors.Is(err, jobs.ErrNotFound):
			states = append(states, "gone")
		case err != nil:
			f.Fatal(err)
		default:
			states = append(states, string(state))
		}
	}
	return states
}

func (f *floor) want(ids []string, want ...string) {
	f.Helper()
	if diff := cmp.Diff(want, f.states(ids...)); diff != "" {
		f.Errorf("states of %v (-want +got):\n%s", ids, diff)
	}
}

func (f *floor) ok(err error) {
	f.Helper()
	if err != nil {
		f.Error(err)
	}
}

func (f *floor) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("error %v, wanted %v", err, want)
	}
}

func TestCountsAndPagesShowWhatIsThere(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.finished("done1", "done2", "bad1")
		f.ok(second(f.admin.Pause(f.ctx)))
		for i := range 5 {
			f.add(jobs.Waiting, fmt.Sprint("w", i))
			f.add(jobs.Prioritized, fmt.Sprint("p", i))
		}
		f.add(jobs.Delayed, "later")
		want := admin.Counts{Waiting: 10, Prioritized: 5, Completed: 2, Failed: 1, Delayed: 1, Paused: true}
		if diff := cmp.Diff(want, f.Counts("q")); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		first, more, err := f.admin.Page(f.ctx, jobs.Waiting, 0, 3)
		f.ok(err)
		rest, end, err := f.admin.Page(f.ctx, jobs.Waiting, 3, 3)
		f.ok(err)
		if !more || end || len(first) != 3 || len(rest) != 2 || first[0].ID != "w0" || rest[1].ID != "w4" {
			t.Errorf("pages of %d and %d, more %t and %t", len(first), len(rest), more, end)
		}
		done, _, err := f.admin.Page(f.ctx, jobs.Completed, 0, 10)
		f.ok(err)
		if len(done) != 2 || done[0].FinishedOn.Before(done[1].FinishedOn) {
			t.Error("completed jobs are not the newest first")
		}
		f.ok(f.admin.Resume(f.ctx))
		if f.Counts("q").Paused {
			t.Error("still paused")
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestBadRequestsAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q, ctx := b.Admin("q"), t.Context()
	calls := map[string]error{
		"get without id":         third(q.Get(ctx, "")),
		"remove without id":      q.Remove(ctx, "", false),
		"page of nothing":        third(q.Page(ctx, jobs.Waiting, 0, 0)),
		"page too long":          third(q.Page(ctx, jobs.Waiting, 0, admin.MaxPage+1)),
		"page before the start":  third(q.Page(ctx, jobs.Waiting, -1, 10)),
		"page of a state":        third(q.Page(ctx, "sleeping", 0, 10)),
		"logs without id":        third(q.Logs(ctx, "", 0, 10)),
		"logs of nothing":        third(q.Logs(ctx, "a", 0, 0)),
		"retry many of waiting":  second(q.RetryMany(ctx, jobs.Waiting, time.Time{})),
		"clean with a limit < 0": second(q.Clean(ctx, jobs.Completed, 0, -1)),
		"clean the future":       second(q.Clean(ctx, jobs.Completed, -1, 0)),
		"clean of active":        second(q.Clean(ctx, "sleeping", 0, 0)),
		"delay < 0":              q.ChangeDelay(ctx, "a", -1),
		"no priority":            q.ChangePriority(ctx, "a", 0, false),
		"priority too high":      q.ChangePriority(ctx, "a", jobs.MaxPriority+1, false),
		"data that is no JSON":   q.UpdateData(ctx, "a", func() {}),
		"retry without id":       q.Retry(ctx, "", admin.Retry{}),
		"promote without id":     q.Promote(ctx, ""),
		"delay without id":       q.ChangeDelay(ctx, "", time.Second),
		"priority without id":    q.ChangePriority(ctx, "", 1, false),
		"data without id":        q.UpdateData(ctx, "", 1),
	}
	for name, err := range calls {
		if !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("%s: error %v, wanted ErrInvalid", name, err)
		}
	}
	if err := q.UpdateData(ctx, "a", strings.Repeat("x", jobs.MaxData)); !errors.Is(err, jobs.ErrTooLarge) {
		t.Errorf("too much data: %v", err)
	}
	if dump := b.Dump("q"); dump != "" {
		t.Errorf("something was written:\n%s", dump)
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

func TestVerbsOnAJobThatIsNotThere(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.add(jobs.Waiting, "another")
		f.is(third(f.admin.Get(f.ctx, "none")), jobs.ErrNotFound)
		f.is(f.admin.Retry(f.ctx, "none", admin.Retry{}), jobs.ErrNotFound)
		f.is(f.admin.Promote(f.ctx, "none"), jobs.ErrNotFound)
		f.is(f.admin.Remove(f.ctx, "none", true), jobs.ErrNotFound)
		f.is(f.admin.ChangeDelay(f.ctx, "none", time.Second), jobs.ErrNotFound)
		f.is(f.admin.ChangePriority(f.ctx, "none", 5, false), jobs.ErrNotFound)
		f.is(f.admin.UpdateData(f.ctx, "none", 1), jobs.ErrNotFound)
	})
}

// An id comes from whoever calls. One that names a key of the queue itself must
// not reach it.
func TestVerbsDoNotTouchTheQueuesOwnKeys(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.finished("done")
		f.add(jobs.Waiting, "a")
		f.add(jobs.Prioritized, "b")
		f.add(jobs.Delayed, "c")
		before := f.Dump("q")
		for _, id := range []string{"meta", "id", "wait", "marker", "delayed", "events", "completed", "prioritized", "pc", "stalled", "a:logs", "a:lock", "repeat:x", "de:x", "metrics:completed:data"} {
			for verb, err := range map[string]error{
				"get":      third(f.admin.Get(f.ctx, id)),
				"retry":    f.admin.Retry(f.ctx, id, admin.Retry{}),
				"promote":  f.admin.Promote(f.ctx, id),
				"remove":   f.admin.Remove(f.ctx, id, true),
				"delay":    f.admin.ChangeDelay(f.ctx, id, time.Second),
				"priority": f.admin.ChangePriority(f.ctx, id, 5, true),
				"data":     f.admin.UpdateData(f.ctx, id, 1),
			} {
				if !errors.Is(err, jobs.ErrNotFound) {
					t.Errorf("%s of %q: error %v, wanted ErrNotFound", verb, id, err)
				}
			}
		}
		if diff := cmp.Diff(before, f.Dump("q")); diff != "" {
			t.Errorf("the queue (-before +after):\n%s", diff)
		}
	})
}

func TestRetryRunsAFinishedJobAgain(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.finished("done", "bad1", "bad2")
		f.add(jobs.Waiting, "waits")
		f.ok(f.admin.Retry(f.ctx, "done", admin.Retry{}))
		f.ok(f.admin.Retry(f.ctx, "bad1", admin.Retry{First: true}))
		f.ok(f.admin.Retry(f.ctx, "bad2", admin.Retry{ResetAttempts: true}))
		f.want([]string{"done", "bad1", "bad2"}, "waiting", "waiting", "waiting")
		f.is(f.admin.Retry(f.ctx, "done", admin.Retry{}), jobs.ErrNotInState)
		page, _, err := f.admin.Page(f.ctx, jobs.Waiting, 0, 10)
		f.ok(err)
		var order []string
		for _, job := range page {
			order = append(order, job.ID)
		}
		if diff := cmp.Diff([]string{"bad1", "waits", "done", "bad2"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		for id, made := range map[string]int{"bad1": 1, "bad2": 0} {
			job, _ := f.Get("q", id)
			if job.AttemptsMade != made || job.FailedReason != "" || !job.FinishedOn.IsZero() {
				t.Errorf("%s: %d attempts, reason %q, finished %s", id, job.AttemptsMade, job.FailedReason, job.FinishedOn)
			}
		}
	})
}

func TestRetryManyTakesEachJobOnce(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.finished("bad1", "bad2", "bad3", "done1")
		n, err := f.admin.RetryMany(f.ctx, jobs.Failed, time.Time{})
		if f.ok(err); n != 3 {
			t.Errorf("%d moved, wanted 3", n)
		}
		f.want([]string{"bad1", "bad2", "bad3", "done1"}, "waiting", "waiting", "waiting", "completed")
		n, err = f.admin.RetryMany(f.ctx, jobs.Completed, time.Now().Add(-time.Hour))
		if f.ok(err); n != 0 {
			t.Errorf("%d moved of those that finished an hour ago", n)
		}
	})
}

func TestPromoteLetsADelayedJobRunNow(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		ids := []string{f.add(jobs.Delayed, "a"), f.add(jobs.Delayed, "b"), f.add(jobs.Delayed, "c")}
		f.ok(f.admin.Promote(f.ctx, "a"))
		f.want(ids, "prioritized", "delayed", "delayed")
		f.is(f.admin.Promote(f.ctx, "a"), jobs.ErrNotInState)
		n, err := f.admin.PromoteAll(f.ctx)
		if f.ok(err); n != 2 {
			t.Errorf("%d promoted, wanted 2", n)
		}
		f.want(ids, "prioritized", "prioritized", "prioritized")
	})
}

func TestRemove(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.finished("done", "bad")
		ids := []string{
			"done", "bad", f.add(jobs.Delayed, "later"), f.add(jobs.Prioritized, "ranked"), f.add(jobs.Delayed, "stays"),
		}
		f.running("runs")
		for _, id := range ids[:4] {
			f.ok(f.admin.Remove(f.ctx, id, false))
		}
		f.want(ids, "gone", "gone", "gone", "gone", "delayed")
		f.is(f.admin.Remove(f.ctx, "runs", false), jobs.ErrLocked)
		f.want([]string{"runs"}, "active")
	})
}

func TestChangeWhatAWaitingJobIs(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.add(jobs.Delayed, "later")
		f.add(jobs.Prioritized, "ranked")
		f.ok(f.admin.ChangeDelay(f.ctx, "later", 2*time.Hour))
		f.is(f.admin.ChangeDelay(f.ctx, "ranked", time.Hour), jobs.ErrNotInState)
		f.ok(f.admin.ChangePriority(f.ctx, "ranked", jobs.Critical, false))
		f.ok(f.admin.UpdateData(f.ctx, "ranked", map[string]int{"n": 7}))
		job, _ := f.Get("q", "later")
		if job.Delay < 2*time.Hour || job.Delay > 2*time.Hour+time.Minute {
			t.Errorf("delay %s", job.Delay)
		}
		job, _ = f.Get("q", "ranked")
		if job.Priority != 1 || string(job.Data) != `{"n":7}` {
			t.Errorf("priority %d, data %s", job.Priority, job.Data)
		}
		f.ok(f.admin.ChangePriority(f.ctx, "ranked", jobs.Unprioritized, true))
		f.want([]string{"ranked"}, "waiting")
	})
}

func TestPauseStopsWorkAndResumeStartsIt(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		changed, err := f.admin.Pause(f.ctx)
		again, errAgain := f.admin.Pause(f.ctx)
		if f.ok(errors.Join(err, errAgain)); !changed || again {
			t.Errorf("changed %t, then %t", changed, again)
		}
		f.Pool("q", handler(func(context.Context, *worker.Task) (any, error) { return nil, nil }), worker.Options{})
		f.add(jobs.Waiting, "a")
		f.add(jobs.Prioritized, "b")
		f.Admin("q")
		f.want([]string{"a", "b"}, "waiting", "prioritized")
		f.ok(f.admin.Resume(f.ctx))
		f.Await("q", "a", jobs.Completed)
		f.Await("q", "b", jobs.Completed)
	})
}

func TestDrainCleanAndObliterate(t *testing.T) {
	each(t, func(t *testing.T, f *floor) {
		f.finished("done1", "done2", "bad1")
		ids := []string{f.add(jobs.Waiting, "w"), f.add(jobs.Prioritized, "p"), f.add(jobs.Delayed, "d")}
		n, err := f.admin.Drain(f.ctx, false)
		if f.ok(err); n != 2 {
			t.Errorf("%d drained, wanted 2", n)
		}
		f.want(ids, "gone", "gone", "delayed")
		n, err = f.admin.Drain(f.ctx, true)
		if f.ok(err); n != 1 {
			t.Errorf("%d drained with delayed ones, wanted 1", n)
		}
		young, err := f.admin.Clean(f.ctx, jobs.Completed, time.Hour, 0)
		if f.ok(err); len(young) != 0 {
			t.Errorf("jobs younger than an hour were removed: %v", young)
		}
		one, err := f.admin.Clean(f.ctx, jobs.Completed, 0, 1)
		if f.ok(err); len(one) != 1 {
			t.Errorf("%v removed, the limit is 1", one)
		}
		rest, err := f.admin.Clean(f.ctx, jobs.Completed, 0, 0)
		f.ok(err)
		gone := slices.Concat(one, rest)
		slices.Sort(gone)
		if diff := cmp.Diff([]string{"done1", "done2"}, gone); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
		f.want([]string{"done1", "done2", "bad1"}, "gone", "gone", "failed")
		f.is(f.admin.Obliterate(f.ctx, false), jobs.ErrNotPaused)
		f.ok(second(f.admin.Pause(f.ctx)))
		f.ok(f.admin.Obliterate(f.ctx, false))
		if dump := f.Dump("q"); dump != "" {
			t.Errorf("left over:\n%s", dump)
		}
	})
}

func TestObliterateSparesRunningJobsUnlessForced(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	f := &floor{Bench: b, queue: b.Queue("q", queue.Options{}), admin: b.Admin("q"), ctx: t.Context()}
	f.running("runs")
	f.ok(second(f.admin.Pause(f.ctx)))
	f.is(f.admin.Obliterate(f.ctx, false), jobs.ErrActiveJobs)
	f.want([]string{"runs"}, "active")
	f.ok(f.admin.Obliterate(f.ctx, true))
	f.want([]string{"runs"}, "gone")
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	conn, err := redisconn.Open(redisconn.Options{Addrs: []string{"localhost:1"}, Cluster: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, name := range []string{"", "a:b", "email"} {
		if _, err := admin.New(conn, "", name); !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("%q: error %v", name, err)
		}
	}
	if q, err := admin.New(conn, "{bull}", "email"); err != nil || q.Name() != "email" {
		t.Errorf("with a hash tag: %v", err)
	}
}

func TestADownServerIsUnavailable(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	conn, err := redisconn.Open(redisconn.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	q, err := admin.New(conn, "", "q")
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	calls := map[string]func(context.Context) error{
		"counts":  func(ctx context.Context) error { return second(q.Counts(ctx)) },
		"get":     func(ctx context.Context) error { return third(q.Get(ctx, "a")) },
		"page":    func(ctx context.Context) error { return third(q.Page(ctx, jobs.Failed, 0, 10)) },
		"logs":    func(ctx context.Context) error { return third(q.Logs(ctx, "a", 0, 10)) },
		"pause":   func(ctx context.Context) error { return second(q.Pause(ctx)) },
		"promote": func(ctx context.Context) error { return q.Promote(ctx, "a") },
		"all":     func(ctx context.Context) error { return second(q.PromoteAll(ctx)) },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := call(ctx); !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("%s: error %v, wanted ErrUnavailable", name, err)
		}
		cancel()
	}
}
