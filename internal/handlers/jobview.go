package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/origin"
)

// JobView is a job as the API shows it: everything but its data, which can hold
// addresses and tokens.
type JobView struct {
	ID              string          `json:"id"`
	Queue           string          `json:"queue" example:"email"`
	Name            string          `json:"name" example:"welcome"`
	Status          string          `json:"status" enum:"waiting,active,completed,failed,delayed,waiting-children,unknown"`
	Progress        json.RawMessage `json:"progress" doc:"What the worker reported last; null before."`
	AttemptsMade    int             `json:"attemptsMade" doc:"Attempts that ended."`
	AttemptsStarted int             `json:"attemptsStarted" doc:"Attempts that began: more after a stop or a crash of a worker."`
	MaxAttempts     int             `json:"maxAttempts"`
	Priority        int             `json:"priority" doc:"Lower runs earlier; 0 runs before all."`
	Delay           int64           `json:"delay,omitempty" doc:"In ms, of a job that is or was delayed."`
	CreatedAt       time.Time       `json:"createdAt"`
	RunAt           *time.Time      `json:"runAt,omitempty" doc:"When a delayed job is due."`
	StartedAt       *time.Time      `json:"startedAt" doc:"When the latest attempt began; null before the first."`
	FinishedAt      *time.Time      `json:"finishedAt" doc:"When it completed or failed; null before."`
	Result          json.RawMessage `json:"result" doc:"What the job returned; null before it completed."`
	FailedReason    *string         `json:"failedReason" doc:"Why the latest failed attempt failed; null when none did."`
	StalledCount    int             `json:"stalledCount,omitempty" doc:"How often it was taken back from a worker that died."`
	RequestID       string          `json:"requestId,omitempty" doc:"The request that added it."`
	StatusURL       string          `json:"statusUrl"`
}

func viewOf(job *jobs.Job, state jobs.State) JobView {
	view := JobView{
		ID: job.ID, Queue: job.Queue, Name: job.Name, Status: statusOf(state),
		Progress: orNull(job.Progress), Result: json.RawMessage("null"),
		AttemptsMade: job.AttemptsMade, AttemptsStarted: job.AttemptsStarted, MaxAttempts: job.MaxAttempts(),
		Priority: job.Priority, Delay: job.Delay.Milliseconds(), StalledCount: job.StalledCount,
		CreatedAt: job.Timestamp.UTC(), StartedAt: moment(job.ProcessedOn), FinishedAt: moment(job.FinishedOn),
		RequestID: origin.Of(job.Trace).RequestID, StatusURL: jobURL(job.Queue, job.ID),
	}
	if state == jobs.Delayed {
		due := job.DueAt().UTC()
		view.RunAt = &due
	}
	if state == jobs.Completed {
		view.Result = orNull(job.ReturnValue)
	}
	if job.FailedReason != "" {
		view.FailedReason = &job.FailedReason
	}
	return view
}

// statusOf is a state in the words of the API, to which a job with a priority
// waits like any other.
func statusOf(state jobs.State) string {
	if state == jobs.Prioritized {
		return string(jobs.Waiting)
	}
	return string(state)
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(raw)) == 0 || !json.Valid(raw) {
		return json.RawMessage("null")
	}
	return raw
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// JobPath names a job.
type JobPath struct {
	Queue string `path:"queue" doc:"The queue that holds the job." example:"email"`
	ID    string `path:"id" maxLength:"256" doc:"The job's id."`
}

type jobOutput struct{ Body JobView }

// getJob shows a job, and with wait as soon as it is finished.
func (a *API) getJob(ctx context.Context, in *struct {
	JobPath
	Wait string `query:"wait" maxLength:"16" doc:"Answer when the job is finished, or after this time: 30s, 500ms, 30." example:"30s"`
}) (*jobOutput, error) {
	wait, err := parseWait(in.Wait, a.o.MaxWait)
	if err != nil {
		return nil, err
	}
	if wait == 0 {
		view, err := a.find(ctx, in.Queue, in.ID)
		return &jobOutput{view}, err
	}
	view, err := a.await(ctx, in.Queue, in.ID, wait)
	return &jobOutput{view}, err
}

var seconds = regexp.MustCompile(`^[0-9]{1,4}$`)

// parseWait reads a duration, or seconds.
func parseWait(text string, limit time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if seconds.MatchString(text) {
		text += "s"
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > limit {
		return 0, jobs.Invalid("wait", "must be a time from 0 to %s, such as 30s", limit)
	}
	return wait, nil
}

// find reads a job that the caller may see.
func (a *API) find(ctx context.Context, queue, id string) (JobView, error) {
	if _, ok := a.o.Queues[queue]; !ok {
		return JobView{}, problem("not-found", "There is no such queue.")
	}
	job, state, err := a.job(ctx, queue, id)
	if err != nil {
		return JobView{}, err
	}
	if !callOf(ctx).caller.sees(job) {
		return JobView{}, notFound()
	}
	return viewOf(job, state), nil
}

// job reads a job, whosever it is.
func (a *API) job(ctx context.Context, queue, id string) (*jobs.Job, jobs.State, error) {
	ctx, cancel := a.budget(ctx)
	defer cancel()
	job, state, err := a.o.Queues[queue].Get(ctx, id)
	switch {
	case job == nil && err == nil, errors.Is(err, jobs.ErrNotFound):
		return nil, "", notFound()
	case err != nil && (job == nil || errors.Is(err, jobs.ErrUnavailable) || ctx.Err() != nil):
		return nil, "", err
	case err != nil: // what could be read of a damaged record is better than nothing
		a.log.LogAttrs(ctx, slog.LevelWarn, "job is damaged", slog.String("queue", queue), slog.String("job_id", id), slog.Any("error", err))
	}
	return job, state, nil
}

func notFound() error {
	return problem("not-found", "There is no such job, or not any more.")
}

// finished reports whether nothing more will happen to a job by itself.
func (v JobView) finished() bool { return jobs.State(v.Status).Finished() }

// await is find, put off until the job is finished, the time is over or the
// server stops. The caller is told by the events of the queue, and Redis is read
// at most three times.
func (a *API) await(ctx context.Context, queue, id string, wait time.Duration) (JobView, error) {
	if _, ok := a.o.Queues[queue]; !ok {
		return JobView{}, problem("not-found", "There is no such queue.")
	}
	watch := a.watchers.watch(queue, id)
	defer watch.stop()
	view, err := a.find(ctx, queue, id)
	if err != nil || view.finished() {
		return view, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case e := <-watch.events:
			if !decides(e.Type) {
				continue
			}
			if view, err = a.after(ctx, view, e); err != nil || view.finished() {
				return view, err
			}
		case <-timer.C:
			return a.find(ctx, queue, id)
		case <-a.watchers.stopping:
			return view, nil
		case <-ctx.Done():
			return view, ctx.Err()
		}
	}
}

// after looks at a job again because of an event. A job that its queue forgot
// at once is shown as the event tells of it.
func (a *API) after(ctx context.Context, before JobView, e jobs.Event) (JobView, error) {
	view, err := a.find(ctx, before.Queue, before.ID)
	if err == nil || problemOf(err).Status != http.StatusNotFound {
		return view, err
	}
	switch e.Type {
	case jobs.EventCompleted:
		before.Status, before.Result = string(jobs.Completed), orNull(e.ReturnValue)
	case jobs.EventFailed:
		before.Status, before.FailedReason = string(jobs.Failed), &e.FailedReason
	default:
		return view, err
	}
	finished := a.o.Now().UTC()
	before.FinishedAt = &finished
	return before, nil
}

// decides reports whether a job may be finished, or gone, after an event.
func decides(t jobs.EventType) bool {
	switch t {
	case jobs.EventCompleted, jobs.EventFailed, jobs.EventRemoved, eventUnsure:
		return true
	}
	return false
}
