package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/proof/ledger"
)

// workman runs one pool and writes down each lease, start, return and outcome.
type workman struct {
	concurrency int
	lock        time.Duration
	shutdown    time.Duration
	keep        int
	verbose     bool

	book   *ledger.Writer
	tokens tokens
}

func (w *workman) register(f *flag.FlagSet) {
	f.IntVar(&w.concurrency, "concurrency", 5, "jobs at a time")
	f.DurationVar(&w.lock, "lock", 0, "lock duration; 0 is what is shipped")
	f.DurationVar(&w.shutdown, "shutdown", 2*time.Second, "how long running jobs have after SIGTERM")
	f.IntVar(&w.keep, "keep", 0, "finished jobs to keep; 0 is what is shipped")
	f.BoolVar(&w.verbose, "v", false, "log what the pool does")
}

func (w *workman) run(ctx context.Context, conn *redisconn.Conn, c common, book *ledger.Writer) error {
	w.book = book
	pool, err := worker.New(conn, c.queue, w.mux(), w.options(c))
	if err != nil {
		return err
	}
	err = pool.Run(ctx)
	if errors.Is(err, worker.ErrDeadline) {
		err = nil // jobs were handed back, which is what a deadline is for
	}
	return errors.Join(err, book.Err())
}

func (w *workman) options(c common) worker.Options {
	level := slog.LevelError
	if w.verbose {
		level = slog.LevelDebug
	}
	o := worker.Options{
		Prefix: c.prefix, Concurrency: w.concurrency, LockDuration: w.lock, ShutdownTimeout: w.shutdown,
		OnLease: w.leased, OnAttempt: w.ended,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	if w.keep > 0 {
		o.KeepCompleted, o.KeepFailed = &jobs.Retention{Count: w.keep}, &jobs.Retention{Count: w.keep}
	}
	return o
}

func (w *workman) leased(l worker.Lease) {
	w.tokens.set(l.JobID, l.Attempt, l.Token)
	w.book.Add(ledger.Entry{
		Kind: ledger.Lease, ID: l.JobID, Token: l.Token, N: int64(l.Attempt), Until: ledger.In(time.Until(l.Until)),
	})
}

func (w *workman) ended(a worker.Attempt) {
	w.tokens.forget(a.Job.ID, a.Job.AttemptsStarted)
	e := ledger.Entry{Kind: ledger.End, ID: a.Job.ID, N: int64(a.Job.AttemptsStarted), Word: string(a.Status)}
	if a.Status == worker.StatusLost && a.Error != nil {
		e.Text = a.Error.Error()
		if errors.Is(a.Error, jobs.ErrUnavailable) || errors.Is(a.Error, context.Canceled) {
			e.Word = "unsure" // the pool had to end before Redis answered
		}
	}
	w.book.Add(e)
}

// tokens remember which lease an attempt runs under: a handler is not told.
type tokens struct {
	mu sync.Mutex
	of map[attempt]string
}

type attempt struct {
	id string
	n  int
}

func (t *tokens) set(id string, n int, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[attempt]string{}
	}
	t.of[attempt{id, n}] = token
}

func (t *tokens) get(id string, n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of[attempt{id, n}]
}

func (t *tokens) forget(id string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, attempt{id, n})
}
