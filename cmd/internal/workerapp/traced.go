package workerapp

import (
	"context"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/tracing"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// startTracing comes before everything else that is built, so that it ends last:
// the spans of what stops after it would be lost.
func (a *App) startTracing(ctx context.Context, t *boot.Teardown) (err error) {
	service := tracing.Service{Name: "tandem-worker", Version: boot.ReadVersion().Version}
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

// traced makes every attempt a part of the trace that its job came with.
func traced(tracer *tracing.Tracer) worker.Middleware {
	return func(next worker.Handler) worker.Handler {
		return func(ctx context.Context, task *worker.Task) (any, error) {
			return tracer.Process(ctx, &task.Job, func(ctx context.Context) (any, error) {
				return next(ctx, task)
			})
		}
	}
}
