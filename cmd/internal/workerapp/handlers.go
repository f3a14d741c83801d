package workerapp

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/emailreport"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/maker"
)

// The handlers join the queue to the business rooms, which know nothing of it.

func (a *App) sendMail(mailer *email.Mailer) worker.Handler {
	return func(ctx context.Context, task *worker.Task) (any, error) {
		payload, err := decode[email.Payload](task)
		if err != nil {
			return nil, err
		}
		tenant, _ := whose(&task.Job)
		return mailer.Send(ctx, email.SendRequest{
			JobID: task.ID, Attempt: task.Attempt, TenantID: tenant,
			QueuedAt: task.Timestamp, Payload: payload,
		})
	}
}

func (a *App) makeExport(exporter *export.Exporter) worker.Handler {
	return func(ctx context.Context, task *worker.Task) (any, error) {
		job, err := decode[export.Job](task)
		if err != nil {
			return nil, err
		}
		_, owner := whose(&task.Job)
		return exporter.Run(ctx, export.NewRequest(task.ID, owner, job, func(ctx context.Context, p export.Progress) error {
			return task.Progress(ctx, p)
		}))
	}
}

func (a *App) makeReport(reporter *maker.Maker) worker.Handler {
	return func(ctx context.Context, task *worker.Task) (any, error) {
		payload, err := decode[report.Payload](task)
		if err != nil {
			return nil, err
		}
		_, owner := whose(&task.Job)
		return reporter.Run(ctx, maker.Request{
			JobID: task.ID, Owner: owner, Payload: payload,
			Progress: func(ctx context.Context, percent int, stage string) error {
				return task.Progress(ctx, map[string]any{"percent": percent, "stage": stage})
			},
		})
	}
}

func (a *App) mailReport(sender *emailreport.Sender) worker.Handler {
	return func(ctx context.Context, task *worker.Task) (any, error) {
		payload, err := decode[emailreport.Payload](task)
		if err != nil {
			return nil, err
		}
		return sender.Send(ctx, emailreport.Request{
			JobID: task.ID, Attempt: task.Attempt, Queued: task.Timestamp,
			Waited: time.Since(task.Timestamp), Payload: payload,
		})
	}
}

// decode reads a job's payload. One that does not fit fails the job for good.
func decode[P any](task *worker.Task) (P, error) {
	var payload P
	if err := json.Unmarshal(task.Data, &payload); err != nil {
		return payload, jobs.Unrecoverable(fmt.Errorf("decode payload: %w", err))
	}
	return payload, nil
}
