package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandemq/tandem/bench/internal/work"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// Tandem is this product, asked for the same as the others: jobs have no priority,
// and finished ones are kept, all of them.
type Tandem struct {
	conn *redisconn.Conn

	mu     sync.Mutex // guards queues
	queues map[string]*queue.Queue
}

// NewTandem returns Tandem on the Redis with this URL.
func NewTandem(url string) (*Tandem, error) {
	conn, err := redisconn.Open(redisconn.Options{URL: url})
	if err != nil {
		return nil, err
	}
	return &Tandem{conn: conn, queues: map[string]*queue.Queue{}}, nil
}

func (t *Tandem) queue(name string) (*queue.Queue, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q, ok := t.queues[name]; ok {
		return q, nil
	}
	q, err := queue.New(t.conn, name, queue.Options{})
	if err == nil {
		t.queues[name] = q
	}
	return q, err
}

// jobName is the name of all jobs.
const jobName = "send"

// Add implements System.
func (t *Tandem) Add(ctx context.Context, name string, p Payload, o JobOptions) error {
	q, err := t.queue(name)
	if err != nil {
		return err
	}
	_, err = q.Add(ctx, jobName, p, tandemOptions(o, p.N))
	return err
}

// AddBulk implements System.
func (t *Tandem) AddBulk(ctx context.Context, name string, payloads []Payload, o JobOptions) error {
	q, err := t.queue(name)
	if err != nil {
		return err
	}
	items := make([]queue.Item, len(payloads))
	for i, p := range payloads {
		items[i] = queue.Item{Name: jobName, Payload: p, Options: tandemOptions(o, p.N)}
	}
	_, err = q.AddBulk(ctx, items, queue.Bulk{})
	return err
}

func tandemOptions(o JobOptions, n int) jobs.Options {
	// The other systems' jobs have no priority either.
	options := jobs.Options{Attempts: o.Attempts, Priority: jobs.Unprioritized}
	if o.Backlog == work.Prioritized {
		options.Priority = jobs.Priority(1 + n%1000)
	}
	if o.DueAt > 0 {
		options.RunAt = time.UnixMilli(o.DueAt)
	}
	return options
}

// Worker implements System: one pool for each queue, as in the product.
func (t *Tandem) Worker(o WorkerOptions) (Worker, error) {
	w := &tandemWorker{finished: make(chan bool, finishedRoom)}
	mux := worker.NewMux()
	mux.Fallback(func(_ context.Context, task *worker.Task) (any, error) {
		var p Payload
		if err := json.Unmarshal(task.Data, &p); err != nil {
			return nil, jobs.Unrecoverable(err)
		}
		return nil, o.Handle(p, task.Attempt)
	})
	for _, name := range o.Queues {
		pool, err := worker.New(t.conn, name, mux, worker.Options{
			Concurrency: o.Concurrency, OnAttempt: w.ended,
			KeepCompleted: &jobs.Retention{}, // all, which is what BullMQ does unless it is told
		})
		if err != nil {
			return nil, err
		}
		w.pools = append(w.pools, pool)
	}
	return w, nil
}

// Close implements System.
func (t *Tandem) Close() error {
	for _, q := range t.queues {
		q.Close()
	}
	return t.conn.Close()
}

// finishedRoom is more than any work has jobs at a time between two looks.
const finishedRoom = 1 << 16

type tandemWorker struct {
	pools    []*worker.Pool
	finished chan bool
}

// ended is told after the outcome is stored.
func (w *tandemWorker) ended(a worker.Attempt) {
	switch a.Status {
	case worker.StatusCompleted:
		w.finished <- true
	case worker.StatusFailed:
		w.finished <- false
	}
}

func (w *tandemWorker) Start() error {
	for _, pool := range w.pools {
		if err := pool.Start(); err != nil {
			return err
		}
	}
	return nil
}

func (w *tandemWorker) Finished() <-chan bool { return w.finished }

func (w *tandemWorker) Settle(context.Context) error { return nil }

func (w *tandemWorker) Stop() error {
	var failures []error
	for _, pool := range w.pools {
		pool.Stop()
	}
	for _, pool := range w.pools {
		failures = append(failures, pool.WaitForCompletion(10*time.Second))
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("stop worker: %w", err)
	}
	return nil
}
