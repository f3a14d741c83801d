package workerapp

import (
	"context"
	"log/slog"

	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/origin"
)

// tell logs how an attempt ended, with the request that asked for the job.
func (a *App) tell(r worker.Attempt) {
	about := []slog.Attr{
		slog.String("queue", r.Job.Queue), slog.String("job_id", r.Job.ID), slog.String("job_name", r.Job.Name),
		slog.Int("attempt", r.Number), slog.String("status", string(r.Status)), slog.Duration("duration", r.Duration()),
	}
	if id := origin.Of(r.Job.Trace).RequestID; id != "" {
		about = append(about, slog.String("request_id", id))
	}
	if r.Error != nil {
		about = append(about, slog.Any("error", r.Error))
	}
	a.host.Logger.LogAttrs(context.Background(), levelOf(r.Status), "job attempt", about...)
}

// levelOf is a warning for what an operator may want to look into.
func levelOf(s worker.Status) slog.Level {
	switch s {
	case worker.StatusFailed, worker.StatusRetrying, worker.StatusLost:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
