// Package emailreport mails a report that another job makes.
//
// The job names the report's job and a recipient. It waits for the report
// without using up attempts, and shares its fate:
//
//	the report is …        this job …
//	completed              sends the mail report-ready with the link
//	failed                 fails, with the report's reason
//	not known, or gone     fails: it will not come back
//	anything else          is snoozed, from 1 s up to 30 s at a time
package emailreport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
)

// Queue is where these jobs wait.
const Queue = "email-report"

// Type is the job type: payload in, the mail's result out.
var Type = jobs.Define[Payload, email.Result](Queue, Queue)

// Payload asks for a report to be mailed.
type Payload struct {
	ReportJobID string `json:"reportJobId"`
	To          string `json:"to"`
	TenantID    string `json:"tenantId,omitempty"` // recorded with the mail
}

// Validate says what is wrong with a payload, as a jobs.ErrInvalid that names
// the field. Whether the report exists shows when the job runs.
func Validate(p Payload) error {
	if p.ReportJobID == "" {
		return jobs.Invalid("reportJobId", "must be the job id of a report")
	}
	if len(p.ReportJobID) > jobs.MaxID {
		return jobs.Invalid("reportJobId", "must be at most %d bytes", jobs.MaxID)
	}
	_, err := email.ParseAddress("to", p.To)
	return err
}

// Reports finds report jobs. The error is jobs.ErrNotFound when there is none.
type Reports interface {
	Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error)
}

// Mailer sends mails.
type Mailer interface {
	Send(ctx context.Context, req email.SendRequest) (email.Result, error)
}

// Request is one attempt at a job.
type Request struct {
	JobID   string
	Attempt int
	Queued  time.Time     // when the job was added
	Waited  time.Duration // since then
	Payload Payload
}

// Sender does the jobs.
type Sender struct {
	reports Reports
	mailer  Mailer
}

// New returns a sender.
func New(reports Reports, mailer Mailer) *Sender {
	return &Sender{reports: reports, mailer: mailer}
}

// Send mails the report, or says what stands in the way: a jobs.Snooze while it
// is being made, jobs.Unrecoverable when it never will be.
func (s *Sender) Send(ctx context.Context, r Request) (email.Result, error) {
	if err := Validate(r.Payload); err != nil {
		return email.Result{}, jobs.Unrecoverable(err)
	}
	result, err := s.finished(ctx, r)
	if err != nil {
		return email.Result{}, err
	}
	return s.mailer.Send(ctx, email.SendRequest{
		JobID: r.JobID, Queue: Queue, Attempt: r.Attempt, TenantID: r.Payload.TenantID,
		QueuedAt: r.Queued, Payload: mail(r.Payload.To, result),
	})
}

func (s *Sender) finished(ctx context.Context, r Request) (report.Result, error) {
	job, state, err := s.reports.Get(ctx, r.Payload.ReportJobID)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return report.Result{}, jobs.Unrecoverable(fmt.Errorf("report job %s does not exist, or is not kept any more", r.Payload.ReportJobID))
	case err != nil:
		return report.Result{}, fmt.Errorf("look for report job: %w", err)
	case state == jobs.Failed:
		return report.Result{}, jobs.Unrecoverable(fmt.Errorf("the report failed: %s", job.FailedReason))
	case state != jobs.Completed:
		return report.Result{}, jobs.Snooze(patience(r.Waited), "the report is "+string(state))
	}
	return decode(job)
}

// patience grows with the time waited: a report that takes a second is mailed
// within another one, and a long one is not asked for all the time.
func patience(waited time.Duration) time.Duration {
	return min(max(waited/4, time.Second), 30*time.Second)
}

func decode(job *jobs.Job) (result report.Result, err error) {
	if err := json.Unmarshal(job.ReturnValue, &result); err != nil {
		return result, jobs.Unrecoverable(fmt.Errorf("result of report job %s: %w", job.ID, err))
	}
	return result, nil
}

func mail(to string, made report.Result) email.Payload {
	data := map[string]any{
		"title":       made.Title,
		"period":      made.Period,
		"downloadUrl": made.DownloadURL,
	}
	if !made.ExpiresAt.IsZero() {
		data["expiresAt"] = made.ExpiresAt.UTC().Format(time.RFC3339)
	}
	if made.Empty {
		data["summary"] = "Nothing was recorded in this period."
	}
	return email.Payload{Template: "report-ready", To: to, Data: data}
}
