package workerapp

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/emailreport"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/origin"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/store"
)

// makePools builds what the handlers need, and a pool for each queue.
func (a *App) makePools(ctx context.Context, t *boot.Teardown) error {
	metrics, err := worker.NewCollector(a.host.Registry)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	metrics.Expect(email.Queue, export.Queue, report.Queue, emailreport.Queue)
	mailer, err := a.makeMailer(t)
	if err != nil {
		return err
	}
	exporter, err := a.makeExporter(ctx, t)
	if err != nil {
		return err
	}
	reporter, err := a.makeReporter(ctx, t)
	if err != nil {
		return err
	}
	reports, err := admin.New(a.redis, a.config.Redis.Prefix, report.Queue)
	if err != nil {
		return err
	}
	observe := func(r worker.Attempt) {
		metrics.Observe(r)
		a.tell(r)
		a.record(r)
	}
	work, alone := a.config.Work, worker.NewGate()
	for _, p := range []struct {
		queue       string
		concurrency int
		handler     worker.Handler
	}{
		{email.Queue, work.EmailConcurrency, a.sendMail(mailer)},
		{export.Queue, work.ExportConcurrency, a.makeExport(exporter)},
		{report.Queue, work.ReportConcurrency, a.makeReport(reporter)},
		{emailreport.Queue, work.ReportConcurrency, a.mailReport(emailreport.New(reports, mailer))},
	} {
		pool, err := worker.New(a.redis, p.queue, a.muxOf(p.handler), a.poolOptions(p.concurrency, alone, observe))
		if err != nil {
			return fmt.Errorf("pool of queue %s: %w", p.queue, err)
		}
		a.pools = append(a.pools, pool)
	}
	return nil
}

func (a *App) muxOf(h worker.Handler) *worker.Mux {
	mux := worker.NewMux()
	if a.tracer != nil {
		mux.Use(traced(a.tracer))
	}
	mux.Fallback(h)
	return mux
}

func (a *App) poolOptions(concurrency int, alone *worker.Gate, observe func(worker.Attempt)) worker.Options {
	keep := a.config.Keep
	return worker.Options{
		Prefix:          a.config.Redis.Prefix,
		Concurrency:     concurrency,
		Name:            a.config.Work.Name,
		LockDuration:    a.config.Work.LockDuration,
		Alone:           alone,
		ShutdownTimeout: a.config.ShutdownTimeout,
		KeepCompleted:   &jobs.Retention{Count: keep.CompletedCount, Age: keep.CompletedAge},
		KeepFailed:      &jobs.Retention{Count: keep.FailedCount, Age: keep.FailedAge},
		MetricMinutes:   7 * 24 * 60,
		OnAttempt:       observe,
		AttemptsLogged:  true, // by tell, which knows the request
		Logger:          a.host.Logger,
	}
}

// record writes an attempt into the history.
func (a *App) record(r worker.Attempt) {
	if r.Status == worker.StatusLost {
		return // another attempt of the same job is recorded in its place
	}
	tenant, user := whose(r.Job)
	run := store.Run{
		Queue: r.Job.Queue, JobID: r.Job.ID, JobName: r.Job.Name, TenantID: tenant, UserID: user,
		Started: r.Job.AttemptsStarted, Attempt: r.Number, Status: store.RunStatus(r.Status),
		QueuedAt: readySince(r), StartedAt: r.Started, FinishedAt: r.Finished, Worker: r.Worker,
	}
	if r.Error != nil {
		run.Error = r.Error.Error()
	}
	a.runs.Add(run)
}

// whose is whom a job belongs to: as its payload says, by the names that all job
// types use, or else as the caller was bound who asked for it.
func whose(job *jobs.Job) (tenant, user string) {
	about, from := origin.About(job.Data), origin.Of(job.Trace)
	return cmp.Or(about.TenantID, from.TenantID), cmp.Or(about.UserID, from.UserID)
}

// readySince is when the job could have started: a first attempt when it was
// added or due. Of later ones that is not stored, so they count as not waiting.
func readySince(r worker.Attempt) time.Time {
	if r.Number > 1 || r.Job.AttemptsStarted > 1 {
		return r.Started
	}
	return r.Started.Add(-r.Waited)
}
