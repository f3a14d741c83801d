// Package peer is the child's side of a measurement: Tandem or asynq, told by
// the parent what to do. BullMQ's side is node/bullmq.mjs, which does the same
// in the same order.
//
// A System is how one library adds jobs and runs them; the works are written
// once, on top of it, so that both libraries are asked the same.
package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tandemq/tandem/bench/internal/work"
)

// System is one library, connected to Redis.
type System interface {
	// Add stores one job and waits until it is stored.
	Add(ctx context.Context, queue string, p Payload, o JobOptions) error
	// AddBulk stores many as fast as the library can.
	AddBulk(ctx context.Context, queue string, payloads []Payload, o JobOptions) error
	// Worker makes a worker that is connected, as far as the library can be, and
	// does not take jobs yet.
	Worker(o WorkerOptions) (Worker, error)
	Close() error
}

// WorkerOptions are what a work needs of a worker.
type WorkerOptions struct {
	Queues      []string
	Concurrency int
	Handle      Handler
	Delays      bool // jobs become due, or fail and run again
}

// Payload is what a job carries: an address as a mail job would, a number, and
// when it was added, in unix nanoseconds.
type Payload struct {
	To string `json:"to"`
	N  int    `json:"n"`
	At int64  `json:"at"`
}

// JobOptions are what a work asks of a job beyond the library's defaults.
type JobOptions struct {
	Backlog  work.Backlog
	DueAt    int64 // unix milliseconds; 0 is at once
	Attempts int   // in all, without delay between; 0 is the library's default
}

// Handler runs a job. attempt counts from 1.
type Handler func(p Payload, attempt int) error

// Worker runs jobs until it is stopped.
type Worker interface {
	Start() error
	// Finished is sent the outcome of every job that is done for good, true for
	// success, after it is stored where the library tells.
	Finished() <-chan bool
	// Settle returns when every outcome sent so far is stored.
	Settle(ctx context.Context) error
	Stop() error
}

// Job is a measurement under way: prepared, run once, ended.
type Job struct {
	Run func(ctx context.Context) (work.Result, error)
	End func() error
}

// Prepare makes a work ready to run.
type Prepare func(ctx context.Context, w work.Work) (Job, error)

// Works are what a system can be asked to do.
func Works(s System) Prepare {
	return func(ctx context.Context, w work.Work) (Job, error) { return prepare(ctx, s, w) }
}

// Serve does what the orders say until there are no more.
func Serve(ctx context.Context, p Prepare, in io.Reader, out io.Writer) error {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	var current Job
	for {
		var o work.Order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		answer, err := follow(ctx, p, o, &current)
		if err != nil {
			answer = work.Answer{Error: err.Error()}
		}
		if sent := answers.Encode(answer); sent != nil || err != nil {
			return errors.Join(err, sent)
		}
	}
}

func follow(ctx context.Context, p Prepare, o work.Order, current *Job) (work.Answer, error) {
	switch {
	case o.Work != nil:
		prepared, err := p(ctx, *o.Work)
		*current = prepared
		return work.Answer{Ready: true}, err
	case o.Go && current.Run != nil:
		result, err := measured(ctx, current.Run)
		return work.Answer{Result: &result}, err
	case o.End && current.End != nil:
		return work.Answer{Ended: true}, current.End()
	}
	return work.Answer{}, fmt.Errorf("cannot follow %+v", o)
}

// measured adds what the process spent.
func measured(ctx context.Context, run func(context.Context) (work.Result, error)) (work.Result, error) {
	before, err := cpuMicros()
	if err != nil {
		return work.Result{}, err
	}
	result, err := run(ctx)
	if err != nil {
		return result, err
	}
	after, err := cpuMicros()
	if err != nil {
		return result, err
	}
	result.CPUMicros = after - before
	result.RSSBytes, err = residentBytes()
	return result, err
}
