package jobstest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestAJobOnABench(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("email", queue.Options{})
	mux := worker.NewMux()
	mux.HandleFunc("welcome", func(context.Context, *worker.Task) (any, error) { return "sent", nil })
	b.Pool("email", mux, worker.Options{})
	id := b.Add(q, "welcome", "ada", jobs.Options{})
	job := b.Await("email", id, jobs.Completed)
	if string(job.ReturnValue) != `"sent"` || string(job.Data) != `"ada"` {
		t.Errorf("data %s, result %s", job.Data, job.ReturnValue)
	}
	if dump := b.Dump("email"); !strings.Contains(dump, "returnvalue=\"sent\"") {
		t.Errorf("the dump does not show the result:\n%s", dump)
	}
}

// failing stands for a test that is expected to fail.
type failing struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (f *failing) Errorf(format string, args ...any) { f.errors = append(f.errors, format) }
func (f *failing) Failed() bool                      { return len(f.errors) > 0 }
func (f *failing) Cleanup(clean func())              { f.cleanups = append(f.cleanups, clean) }

func TestABrokenQueueFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	b := jobstest.New(f)
	b.Add(b.Queue("email", queue.Options{}), "welcome", 1, jobs.Options{})
	if err := b.Conn.Del(t.Context(), b.Prefix+":email:marker").Err(); err != nil {
		t.Fatal(err)
	}
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
	if len(f.errors) != 1 {
		t.Errorf("a job without a marker made %d errors, wanted 1", len(f.errors))
	}
}
