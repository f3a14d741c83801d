package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// payload is what the jobs of these tests carry.
type payload struct {
	Ms     int64  `json:"ms"`
	Times  *int   `json:"times"`
	Reason string `json:"reason"`
}

// holder keeps jobs named hold until the test lets go.
type holder struct {
	holding func(id string) // told of each, may be nil

	mu      sync.Mutex // guards the fields below
	held    map[string]int
	changed chan struct{} // closed and replaced when a job is held
	open    chan struct{} // closed and replaced to let go
}

func newHolder() *holder {
	return &holder{held: map[string]int{}, changed: make(chan struct{}), open: make(chan struct{})}
}

func (h *holder) hold(ctx context.Context, id string) error {
	h.mu.Lock()
	open := h.open
	h.held[id]++
	close(h.changed)
	h.changed = make(chan struct{})
	if h.holding != nil {
		h.holding(id)
	}
	h.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *holder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.open)
	h.open = make(chan struct{})
}

// behaviours are what jobs do, by their names. driver.mjs has the same ones.
func behaviours(h *holder) *worker.Mux {
	mux := worker.NewMux()
	echo := func(_ context.Context, task *worker.Task) (any, error) { return task.Data, nil }
	mux.Fallback(echo)
	mux.HandleFunc("nothing", func(context.Context, *worker.Task) (any, error) { return nil, nil })
	mux.HandleFunc("hopeless", func(context.Context, *worker.Task) (any, error) {
		return nil, jobs.Unrecoverable(errors.New("hopeless"))
	})
	mux.HandleFunc("hold", func(ctx context.Context, task *worker.Task) (any, error) {
		return task.Data, h.hold(ctx, task.ID)
	})
	mux.HandleFunc("sleep", with(sleep))
	mux.HandleFunc("fail", with(fail))
	mux.HandleFunc("snooze", with(snooze))
	mux.HandleFunc("progress", with(progress))
	return mux
}

func with(f func(ctx context.Context, task *worker.Task, p payload) (any, error)) worker.Handler {
	return func(ctx context.Context, task *worker.Task) (any, error) {
		var p payload
		if err := json.Unmarshal(task.Data, &p); err != nil {
			return nil, jobs.Unrecoverable(err)
		}
		return f(ctx, task, p)
	}
}

func sleep(ctx context.Context, task *worker.Task, p payload) (any, error) {
	timer := time.NewTimer(time.Duration(p.Ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return task.Data, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fail fails the first p.Times attempts, or all.
func fail(_ context.Context, task *worker.Task, p payload) (any, error) {
	if p.Times != nil && task.AttemptsMade >= *p.Times {
		return task.AttemptsMade, nil
	}
	if p.Reason != "" {
		return nil, errors.New(p.Reason)
	}
	return nil, fmt.Errorf("boom %d", task.AttemptsMade)
}

// snooze puts its first start aside.
func snooze(_ context.Context, task *worker.Task, p payload) (any, error) {
	if task.AttemptsStarted > 1 {
		return "at last", nil
	}
	return nil, jobs.Snooze(time.Duration(p.Ms)*time.Millisecond, "not yet")
}

func progress(ctx context.Context, task *worker.Task, _ payload) (any, error) {
	err := errors.Join(task.Progress(ctx, 42), task.Progress(ctx, map[string]int{"pct": 50}))
	for _, line := range []string{"one", "two", "three", "four"} {
		err = errors.Join(err, task.Log(ctx, "%s", line))
	}
	return nil, err
}

// goWorker is a pool in this process.
type goWorker struct {
	*holder
	r    *room
	pool *worker.Pool
}

// goWorker starts a pool that is stopped with the test. Jobs that it holds then
// are let go.
func (r *room) goWorker(o worker.Options) *goWorker {
	r.Helper()
	o.Prefix = r.prefix
	w := &goWorker{holder: newHolder(), r: r}
	pool, err := worker.New(r.conn, r.queue, behaviours(w.holder), o)
	must(r, err)
	must(r, pool.Start())
	w.pool = pool
	r.Cleanup(func() {
		pool.Stop()
		w.release()
		if err := pool.WaitForCompletion(patience); err != nil {
			r.Errorf("stop worker: %v", err)
		}
	})
	return w
}

// awaitHolding waits until the worker holds a job.
func (w *goWorker) awaitHolding(id string) {
	w.r.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		n, changed := w.held[id], w.changed
		w.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.r.Fatalf("go does not hold job %s", id)
		}
	}
}
