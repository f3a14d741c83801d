package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func run(n int) store.Run {
	return store.Run{
		Queue: "email", JobID: fmt.Sprintf("job-%d", n), JobName: "welcome", TenantID: "acme", UserID: "u1",
		Started: 2, Attempt: 1, Status: store.RunRetrying, Error: "421 try later", Worker: "w1",
		QueuedAt: noon, StartedAt: noon.Add(40 * time.Millisecond), FinishedAt: noon.Add(2 * time.Second),
	}
}

// eventually waits until something happens in another goroutine. It fails when
// that takes longer than anything here may.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !happened() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestARunIsStoredAsItHappened(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		runs := store.NewRunLog(db, store.RunLogOptions{})
		runs.Add(run(1))
		if err := runs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := make([]string, 15)
		into := make([]any, len(got))
		for i := range got {
			into[i] = &got[i]
		}
		if err := db.Read.QueryRowContext(t.Context(), "SELECT * FROM job_runs").Scan(into...); err != nil {
			t.Fatal(err)
		}
		want := []string{"email/job-1/2@1772366400040", "email", "job-1", "welcome", "acme", "u1", "1", "retrying", "421 try later",
			"1772366400000", "1772366400040", "1772366402000", "40", "1960", "w1"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRunsAreWrittenWhenABatchIsFullOrAMomentHasPassed(t *testing.T) {
	tests := []struct {
		name string
		opts store.RunLogOptions
	}{
		{"full batch", store.RunLogOptions{BatchSize: 10, FlushEvery: time.Hour}},
		{"moment", store.RunLogOptions{BatchSize: 1000, FlushEvery: time.Millisecond}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			db := storetest.SQLite(t)
			runs := store.NewRunLog(db, test.opts)
			stop := start(t, runs.Run)
			for n := range 30 {
				runs.Add(run(n))
			}
			eventually(t, "30 rows", func() bool { return count(t, db, "job_runs") == 30 })
			stop()
		})
	}
}

// start runs a role in the background and returns what stops and awaits it.
func start(t *testing.T, role func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- role(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("role ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestManyWorkersLoseNoRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		runs := store.NewRunLog(db, store.RunLogOptions{BatchSize: 16, FlushEvery: time.Millisecond})
		stop := start(t, runs.Run)
		var workers sync.WaitGroup
		for w := range 8 {
			workers.Go(func() {
				for n := range 100 {
					runs.Add(run(1000*w + n))
				}
			})
		}
		workers.Wait()
		stop()
		if err := runs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "job_runs"); n != 800 || runs.Dropped() != 0 {
			t.Errorf("%d rows, %d dropped; want all 800", n, runs.Dropped())
		}
	})
}

func TestRunsWaitForADatabaseThatIsAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		exec(t, db, "ALTER TABLE job_runs RENAME TO away")
		var log bytes.Buffer
		runs := store.NewRunLog(db, store.RunLogOptions{Buffer: 5, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for n := range 8 {
			if accepted := runs.Add(run(n)); accepted != (n < 5) {
				t.Errorf("run %d: accepted is %t", n, accepted)
			}
		}
		if err := runs.Flush(t.Context()); err == nil {
			t.Fatal("a flush into no table went well")
		}
		if runs.Buffered() != 5 || runs.Dropped() != 3 {
			t.Errorf("%d buffered, %d dropped; want 5 and 3", runs.Buffered(), runs.Dropped())
		}

		exec(t, db, "ALTER TABLE away RENAME TO job_runs")
		if err := runs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "job_runs"); n != 5 {
			t.Errorf("%d rows, want the 5 that were kept", n)
		}
		for _, words := range []string{"takes no more runs", "written again", "dropped=3"} {
			if strings.Count(log.String(), words) != 1 {
				t.Errorf("the log does not say %q once:\n%s", words, &log)
			}
		}
	})
}

func TestCloseSaysHowManyRunsWereLost(t *testing.T) {
	db := storetest.SQLite(t)
	exec(t, db, "DROP TABLE job_runs")
	runs := store.NewRunLog(db, store.RunLogOptions{})
	runs.Add(run(1))
	runs.Add(run(2))
	if err := runs.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "2 runs lost") {
		t.Errorf("error %v, want one that says 2 runs lost", err)
	}
	if runs.Add(run(3)) {
		t.Error("a closed log accepted a run")
	}
	registry := prometheus.NewRegistry()
	runs.Register(registry)
	want := strings.NewReader(`# HELP tandem_job_history_buffered Attempts that are not in the database yet.
# TYPE tandem_job_history_buffered gauge
tandem_job_history_buffered 0
# HELP tandem_job_history_dropped_total Attempts that will never be in the database.
# TYPE tandem_job_history_dropped_total counter
tandem_job_history_dropped_total 3
`)
	if err := testutil.GatherAndCompare(registry, want); err != nil {
		t.Error(err)
	}
}

func TestOneBadRunDoesNotHoldUpTheOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		runs := store.NewRunLog(db, store.RunLogOptions{})
		for n := range 9 {
			r := run(n)
			r.Error = "binary \x00\xff noise"
			if n == 4 {
				r.Status = "exploded"
			}
			runs.Add(r)
		}
		if err := runs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "job_runs"); n != 8 || runs.Dropped() != 1 {
			t.Errorf("%d rows, %d dropped; want 8 and 1", n, runs.Dropped())
		}
	})
}

func TestARunThatIsSentAgainIsStoredOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		runs := store.NewRunLog(db, store.RunLogOptions{})
		runs.Add(run(1))
		runs.Add(run(1))
		again := run(1)
		again.StartedAt = again.StartedAt.Add(time.Minute) // the job id was used again later
		runs.Add(again)
		if err := runs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "job_runs"); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	})
}

func TestCloseHonoursItsContext(t *testing.T) {
	db := storetest.SQLite(t)
	runs := store.NewRunLog(db, store.RunLogOptions{})
	runs.Add(run(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runs.Close(ctx); err == nil {
		t.Error("Close wrote with a cancelled context")
	}
}
