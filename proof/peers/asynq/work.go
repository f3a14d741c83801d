package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"github.com/tandemq/tandem/proof/ledger"
	"github.com/tandemq/tandem/proof/task"
)

// lease is how long the library's own leases hold without a renewal.
const lease = 30 * time.Second

// workman runs one server and writes down each start, effect and return.
type workman struct {
	*common
	concurrency int
	attempts    atomic.Int64 // of this process, so that each has a token of its own
}

func (w *workman) register(f *flag.FlagSet) {
	f.IntVar(&w.concurrency, "concurrency", 5, "jobs at a time")
}

func (w *workman) run(ctx context.Context, redis asynq.RedisConnOpt) error {
	server := asynq.NewServer(redis, asynq.Config{
		Concurrency: w.concurrency, Queues: map[string]int{w.queue: 1}, LogLevel: asynq.ErrorLevel,
	})
	// A server does not start without Redis; a supervisor would try again.
	for server.Ping() != nil {
		pause(ctx, 100*time.Millisecond)
		if ctx.Err() != nil {
			return nil
		}
	}
	if err := server.Start(asynq.HandlerFunc(w.handle)); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	<-ctx.Done()
	server.Shutdown()
	return w.book.Err()
}

// handle runs one attempt. Its effect is done last, as a mail is sent last.
func (w *workman) handle(ctx context.Context, t *asynq.Task) error {
	var job task.Task
	if err := json.Unmarshal(t.Payload(), &job); err != nil {
		return fmt.Errorf("decode task: %w: %w", err, asynq.SkipRetry)
	}
	if job.Do != task.Succeed {
		return fmt.Errorf("a peer's jobs only succeed, not %q: %w", job.Do, asynq.SkipRetry)
	}
	id, ok := asynq.GetTaskID(ctx)
	retried, counted := asynq.GetRetryCount(ctx)
	if !ok || !counted {
		return errors.New("the context does not know the task")
	}
	token, attempt := fmt.Sprint(os.Getpid(), ":", w.attempts.Add(1)), int64(retried)+1
	w.book.Add(ledger.Entry{Kind: ledger.Lease, ID: id, Token: token, N: attempt, Until: ledger.In(lease)})
	w.book.Add(ledger.Entry{Kind: ledger.Start, Key: job.Key, ID: id, Token: token, N: attempt})
	defer func() { w.book.Add(ledger.Entry{Kind: ledger.Returned, ID: id, Token: token}) }()
	if err := work(ctx, time.Duration(job.Ms)*time.Millisecond); err != nil {
		return err
	}
	w.book.Add(ledger.Entry{Kind: ledger.Effect, Key: job.Key, ID: id})
	return nil
}

// work takes its time, unless the library wants an end of it.
func work(ctx context.Context, d time.Duration) error {
	pause(ctx, d)
	return context.Cause(ctx)
}
