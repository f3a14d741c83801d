package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/proof/ledger"
	"github.com/tandemq/tandem/proof/task"
)

func (w *workman) mux() *worker.Mux {
	mux := worker.NewMux()
	mux.Fallback(w.handle)
	return mux
}

// handle runs one attempt. Its effect is done last, as a mail is sent last.
func (w *workman) handle(ctx context.Context, t *worker.Task) (any, error) {
	var job task.Task
	if err := json.Unmarshal(t.Data, &job); err != nil {
		return nil, jobs.Unrecoverable(fmt.Errorf("decode task: %w", err))
	}
	token := w.tokens.get(t.ID, t.AttemptsStarted)
	w.book.Add(ledger.Entry{Kind: ledger.Start, Key: job.Key, ID: t.ID, Token: token, N: int64(t.AttemptsStarted)})
	defer func() { w.book.Add(ledger.Entry{Kind: ledger.Returned, ID: t.ID, Token: token}) }()
	if err := work(ctx, &job); err != nil {
		return nil, err
	}
	if err := do(&job, len(t.Stacktrace)); err != nil {
		return nil, err
	}
	w.book.Add(ledger.Entry{Kind: ledger.Effect, Key: job.Key, ID: t.ID})
	return job.Key, nil
}

// work takes the time that the task asks for.
func work(ctx context.Context, job *task.Task) error {
	if job.Ms == 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(job.Ms) * time.Millisecond)
	defer timer.Stop()
	if job.Do == task.Deaf {
		<-timer.C
		return nil
	}
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errAsked = errors.New("failed as it was told to")

// do ends the attempt. It counts failures by what is stored of them, so that an
// attempt which a shutdown or a death used up is one too few.
func do(job *task.Task, failures int) error {
	switch job.Do {
	case task.Fail:
		if failures < job.Times {
			return errAsked
		}
	case task.Panic:
		if failures < job.Times {
			panic(errAsked)
		}
	case task.Refuse:
		return jobs.Unrecoverable(errAsked)
	case task.Exhaust:
		return errAsked
	case task.Kill:
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {} // the signal is on its way
	case task.Eat:
		return eat(job.Bytes)
	}
	return nil
}

// eat takes memory and touches every page of it.
func eat(bytes int) error {
	block := make([]byte, bytes)
	for i := 0; i < len(block); i += os.Getpagesize() {
		block[i] = 1
	}
	if block[0] != 1 {
		return errors.New("memory does not hold what was written")
	}
	return nil
}
