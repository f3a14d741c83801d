package apiapp

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/tracing"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/store"
)

// probes are asked every few seconds for ever: their traces would tell nothing.
var probes = []string{"/healthz", "/livez", "/readyz", "/health"}

// startTracing comes before everything else that is built, so that it ends last:
// the spans of what stops after it would be lost.
func (a *App) startTracing(ctx context.Context, t *boot.Teardown) (err error) {
	service := tracing.Service{Name: "tandem-api", Version: a.host.Version.Version}
	if a.tracer, err = tracing.Start(ctx, a.config.Tracing, service, a.host.Logger); err != nil {
		return err
	}
	t.Add("tracing", func(ctx context.Context) error {
		a.tracer.Close(ctx)
		return nil
	})
	a.host.Logger = a.tracer.Logger(a.host.Logger)
	return nil
}

// inject is what the API puts into the carriers of jobs; without tracing it is
// left to pass on what its callers send.
func (a *App) inject() func(context.Context, map[string]string) {
	if a.tracer == nil {
		return nil
	}
	return a.tracer.Inject
}

// traced is a queue whose adding of jobs is part of the traces.
func (a *App) traced(name string, q handlers.Queue) handlers.Queue {
	if a.tracer == nil {
		return q
	}
	return tracedQueue{Queue: q, name: name, tracer: a.tracer}
}

type tracedQueue struct {
	handlers.Queue
	name   string
	tracer *tracing.Tracer
}

// Add implements handlers.Adder.
func (q tracedQueue) Add(ctx context.Context, name string, payload any, o jobs.Options) (added handlers.Added, err error) {
	err = q.tracer.Add(ctx, q.name, name, o, func(ctx context.Context, o jobs.Options) error {
		added, err = q.Queue.Add(ctx, name, payload, o)
		return err
	})
	return added, err
}

// AddBulk implements handlers.Adder.
func (q tracedQueue) AddBulk(ctx context.Context, items []handlers.Item) (added []handlers.Added, err error) {
	mine := append([]handlers.Item(nil), items...)
	options := make([]*jobs.Options, len(mine))
	for i := range mine {
		options[i] = &mine[i].Options
	}
	err = q.tracer.AddBulk(ctx, q.name, options, func(ctx context.Context) error {
		added, err = q.Queue.AddBulk(ctx, mine)
		return err
	})
	return added, err
}

// promises is the outbox, which keeps the trace of the request that promised a
// job until the relay adds it.
type promises struct {
	*store.Outbox
	tracer *tracing.Tracer
}

// Insert stores a promise.
func (p promises) Insert(ctx context.Context, tx *sql.Tx, e outbox.Entry) error {
	if p.tracer != nil && e.Options.Trace == "" {
		carrier := map[string]string{}
		p.tracer.Inject(ctx, carrier)
		text, err := json.Marshal(carrier)
		if err != nil {
			return fmt.Errorf("encode trace: %w", err)
		}
		e.Options.Trace = string(text)
	}
	return p.Outbox.Insert(ctx, tx, e)
}
