package worker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// child is a worker in a process of its own.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, b *jobstest.Bench) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.CommandContext(t.Context(), self)}
	c.cmd.Env = append(os.Environ(), childURL+"="+b.Server.URL, "WORKER_CHILD_PREFIX="+b.Prefix)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.cmd.StdinPipe(); err != nil { // the child ends with it, however we do
		t.Fatal(err)
	}
	c.cmd.Stderr = t.Output()
	c.lines = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// runs waits until the child has begun n jobs.
func (c *child) runs(t *testing.T, n int) {
	t.Helper()
	for range n {
		if !c.lines.Scan() || !strings.HasPrefix(c.lines.Text(), "RUNNING") {
			t.Fatalf("the child said %q: %v", c.lines.Text(), c.lines.Err())
		}
	}
}

// killed ends the child at once.
func (c *child) killed(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // it was killed: that is its error
}

func TestTheJobsOfAKilledWorkerRunElsewhere(t *testing.T) {
	t.Parallel()
	b := jobstest.On(t, redistest.Real(t))
	q := b.Queue("q", queue.Options{})
	ids := []string{b.Add(q, "long", 1, jobs.Options{}), b.Add(q, "long", 2, jobs.Options{}), b.Add(q, "long", 3, jobs.Options{})}
	c := startChild(t, b)
	c.runs(t, 3)
	b.Pool("q", all(nothing), worker.Options{Concurrency: 3, LockDuration: time.Second, SweepInterval: time.Second})
	c.killed(t)
	dead := time.Now()
	for _, id := range ids {
		job := b.Await("q", id, jobs.Completed)
		if job.AttemptsMade != 1 || job.StalledCount != 1 {
			t.Errorf("job %s: %d attempts, %d stalls", id, job.AttemptsMade, job.StalledCount)
		}
	}
	if took := time.Since(dead); took > 15*time.Second {
		t.Errorf("recovery took %s", took)
	}
}

// A poison job kills every process that runs it. Jobs that happened to run
// beside it pay nothing.
func TestAPoisonJobIsQuarantinedAndInnocentsAreNot(t *testing.T) {
	t.Parallel()
	b := jobstest.On(t, redistest.Real(t))
	q := b.Queue("q", queue.Options{})
	poison := b.Add(q, "poison", nil, jobs.Options{Attempts: 1})
	innocent := []string{b.Add(q, "a", nil, jobs.Options{Attempts: 1}), b.Add(q, "b", nil, jobs.Options{Attempts: 1})}
	deaths := 0
	for ; deaths < 12; deaths++ {
		c := startChild(t, b)
		died := make(chan error, 1)
		go func() { died <- c.cmd.Wait() }()
		var ended bool
		b.Eventually("the child dies or the job is quarantined", func() bool {
			select {
			case err := <-died:
				if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
					t.Errorf("the child died of %v", err)
				}
				ended = true
			default:
			}
			_, state := b.Get("q", poison)
			return ended || state == jobs.Failed
		})
		if !ended {
			if err := c.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-died
			break
		}
	}
	job, state := b.Get("q", poison)
	if state != jobs.Failed || !strings.HasPrefix(job.FailedReason, "quarantined: 3 workers died") {
		t.Errorf("after %d deaths the poison is %s: %q", deaths, state, job.FailedReason)
	}
	b.Pool("q", all(nothing), worker.Options{Concurrency: 3, LockDuration: time.Second, SweepInterval: time.Second})
	for _, id := range innocent {
		b.Await("q", id, jobs.Completed)
	}
}

// load adds jobs until it is told to stop, and knows which ones were accepted.
type load struct {
	ids  chan string
	stop chan struct{}
	done sync.WaitGroup
}

func startLoad(t *testing.T, q *queue.Queue) *load {
	l := &load{ids: make(chan string, 1<<20), stop: make(chan struct{})}
	for range 4 {
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), jobstest.Patience)
				added, err := q.Add(ctx, "work", nil, jobs.Options{Attempts: 3})
				cancel()
				if err != nil {
					t.Errorf("add: %v", err)
					return
				}
				l.ids <- added.ID
			}
		})
	}
	return l
}

// end stops adding and returns the ids of what was accepted.
func (l *load) end() (ids []string) {
	close(l.stop)
	l.done.Wait()
	close(l.ids)
	for id := range l.ids {
		ids = append(ids, id)
	}
	return ids
}

// TestNothingIsLost puts two pools under load and does to Redis what happens to
// it. Every job that was accepted completes, and the pools go on by themselves.
func TestNothingIsLost(t *testing.T) {
	durable := []string{"appendonly yes", "appendfsync always"}
	disasters := []struct {
		name   string
		config []string
		strike func(t *testing.T, server *redistest.Instance, ran func(int))
	}{
		{"when Redis is killed and comes back", durable, func(t *testing.T, server *redistest.Instance, ran func(int)) {
			for range 2 {
				ran(200)
				server.Kill()
				server.Restart()
			}
		}},
		{"when Redis is restarted in good order", durable, func(t *testing.T, server *redistest.Instance, ran func(int)) {
			for range 2 {
				ran(200)
				server.Restart()
			}
		}},
		{"when Redis freezes", nil, func(t *testing.T, server *redistest.Instance, ran func(int)) {
			ran(200)
			server.Pause()
			time.Sleep(1500 * time.Millisecond) // longer than the locks hold
			server.Resume()
		}},
		{"when connections are killed all the time", nil, func(t *testing.T, server *redistest.Instance, ran func(int)) {
			client := server.Client(t)
			for range 30 {
				ran(20)
				if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
					t.Error(err)
				}
			}
		}},
		{"when the scripts are forgotten", nil, func(t *testing.T, server *redistest.Instance, ran func(int)) {
			client := server.Client(t)
			for range 30 {
				ran(20)
				if err := client.ScriptFlush(t.Context()).Err(); err != nil {
					t.Error(err)
				}
			}
		}},
	}
	for _, d := range disasters {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{Config: d.config})
			b := jobstest.On(t, server.Server)
			q := b.Queue("q", queue.Options{})
			var runs atomic.Int64
			var outcomes sync.Map
			handler := all(func(context.Context, *worker.Task) (any, error) { runs.Add(1); return nil, nil })
			o := worker.Options{
				Concurrency: 10, LockDuration: time.Second, SweepInterval: time.Second,
				OnAttempt: func(a worker.Attempt) {
					if n, _ := outcomes.LoadOrStore(a.Job.ID, new(atomic.Int64)); a.Status == worker.StatusCompleted {
						n.(*atomic.Int64).Add(1)
					}
				},
			}
			b.Pool("q", handler, o)
			b.Pool("q", handler, o)
			l := startLoad(t, q)
			d.strike(t, server, func(n int) {
				target := runs.Load() + int64(n)
				b.Eventually(fmt.Sprintf("%d more jobs ran", n), func() bool { return runs.Load() >= target })
			})
			after := runs.Load() + 100
			b.Eventually("the pools go on", func() bool { return runs.Load() >= after })
			ids := l.end()
			b.Eventually("the queue is empty", func() bool {
				c := b.Counts("q")
				return c.Waiting+c.Active+c.Delayed == 0
			})
			for _, id := range ids {
				if _, state := b.Get("q", id); state != jobs.Completed {
					t.Errorf("job %s was accepted and is %s", id, state)
				}
				if n, ok := outcomes.Load(id); ok && n.(*atomic.Int64).Load() > 1 {
					t.Errorf("the outcome of job %s was accepted %d times", id, n.(*atomic.Int64).Load())
				}
			}
			t.Logf("%d jobs accepted, %d runs", len(ids), runs.Load())
		})
	}
}

// What ended while Redis was away for longer than the locks held counts all the
// same, and does not run a second time.
func TestWhatEndedWhileRedisWasAwayIsNotRunAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	b := jobstest.On(t, server.Server)
	q := b.Queue("q", queue.Options{})
	for range 5 {
		b.Add(q, "work", nil, jobs.Options{})
	}
	const lock = 300 * time.Millisecond
	var runs atomic.Int64
	away := make(chan struct{})
	b.Pool("q", all(func(context.Context, *worker.Task) (any, error) {
		runs.Add(1)
		<-away
		return nil, nil
	}), worker.Options{Concurrency: 5, LockDuration: lock, SweepInterval: time.Second})
	b.Eventually("all jobs run", func() bool { return runs.Load() == 5 })
	server.Kill()
	close(away)
	time.Sleep(3 * lock) // the locks' time goes on while the server is down
	server.Restart()
	b.AwaitFinished("q", 5)
	if n := runs.Load(); n != 5 {
		t.Errorf("5 jobs ran %d times", n)
	}
	if c := b.Counts("q"); c.Completed != 5 {
		t.Errorf("counts %+v", c)
	}
}
