package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tandemq/tandem/internal/jobs"
)

// Handler runs one job and returns its result, which becomes JSON.
type Handler func(ctx context.Context, task *Task) (result any, err error)

// Middleware wraps every handler of a Mux. It may act before and after, change
// the context and the error, or not call the handler at all.
type Middleware func(next Handler) Handler

// Mux finds the handler for a job by its name. Set it up before the pool starts.
type Mux struct {
	handlers   map[string]Handler
	fallback   Handler
	middleware []Middleware
}

// NewMux returns a mux without handlers.
func NewMux() *Mux { return &Mux{handlers: map[string]Handler{}} }

// Use puts middleware around all handlers, the first one outermost.
func (m *Mux) Use(middleware ...Middleware) { m.middleware = append(m.middleware, middleware...) }

// HandleFunc registers an untyped handler for jobs of this name. It panics when
// the name has one already, which is a mistake in the program.
func (m *Mux) HandleFunc(name string, h Handler) {
	if _, taken := m.handlers[name]; taken {
		panic("worker: two handlers for jobs named " + name)
	}
	m.handlers[name] = h
}

// Fallback registers the handler for jobs of every other name.
func (m *Mux) Fallback(h Handler) { m.fallback = h }

// Handle registers the handler of a job type.
//
// A payload that does not fit P fails the job at once: it would not fit the next
// time either.
func Handle[P, R any](m *Mux, t jobs.Type[P, R], h func(ctx context.Context, job *Job[P]) (R, error)) {
	m.HandleFunc(t.Name(), typed(h))
}

// HandleAll registers one handler for the jobs of every name that has none of
// its own: for queues whose jobs share a payload and differ in name only.
func HandleAll[P, R any](m *Mux, t jobs.Type[P, R], h func(ctx context.Context, job *Job[P]) (R, error)) {
	m.Fallback(typed(h))
}

func typed[P, R any](h func(ctx context.Context, job *Job[P]) (R, error)) Handler {
	return func(ctx context.Context, task *Task) (any, error) {
		job := &Job[P]{Task: task}
		if err := json.Unmarshal(task.Data, &job.Payload); err != nil {
			return nil, jobs.Unrecoverable(fmt.Errorf("decode payload of %s: %w", task.Name, err))
		}
		return h(ctx, job)
	}
}

// handle runs the task by the handler of its name.
func (m *Mux) handle(ctx context.Context, task *Task) (any, error) {
	h, ok := m.handlers[task.Name]
	if !ok {
		h = m.fallback
	}
	if h == nil {
		// Another worker may know the name, for example during a deployment: this
		// is a failure like any other, and the job's attempts decide.
		return nil, fmt.Errorf("no handler for jobs named %q in queue %s", task.Name, task.Queue)
	}
	for _, wrap := range slices.Backward(m.middleware) {
		h = wrap(h)
	}
	return h(ctx, task)
}
