package emailreport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/emailreport"
	"github.com/tandemq/tandem/internal/jobs"
)

// shelf holds one report job, or an error.
type shelf struct {
	job   *jobs.Job
	state jobs.State
	err   error
}

func (s shelf) Get(context.Context, string) (*jobs.Job, jobs.State, error) {
	return s.job, s.state, s.err
}

// outbox remembers what was sent.
type outbox struct{ sent []email.SendRequest }

func (o *outbox) Send(_ context.Context, r email.SendRequest) (email.Result, error) {
	o.sent = append(o.sent, r)
	return email.Result{MessageID: "m1"}, email.Validate(r.Payload)
}

func finishedReport() *jobs.Job {
	return &jobs.Job{
		ID: "r1",
		ReturnValue: []byte(`{"title":"Usage","period":"1 – 31 October 2026","downloadUrl":"https://app.example.com/a/1","expiresAt":"2026-12-01T00:00:00Z",
			"empty":true}`),
	}
}

func request() emailreport.Request {
	return emailreport.Request{
		JobID: "e1", Attempt: 2, Waited: time.Second,
		Payload: emailreport.Payload{ReportJobID: "r1", To: "ada@example.com", TenantID: "acme"},
	}
}

func TestAFinishedReportIsMailedWithItsLink(t *testing.T) {
	var mails outbox
	s := emailreport.New(shelf{job: finishedReport(), state: jobs.Completed}, &mails)
	got, err := s.Send(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if got.MessageID != "m1" {
		t.Errorf("result is %+v, want the mailer's", got)
	}
	want := []email.SendRequest{{JobID: "e1", Queue: "email-report", Attempt: 2, TenantID: "acme", Payload: email.Payload{
		Template: "report-ready", To: "ada@example.com",
		Data: map[string]any{
			"title": "Usage", "period": "1 – 31 October 2026", "downloadUrl": "https://app.example.com/a/1",
			"expiresAt": "2026-12-01T00:00:00Z", "summary": "Nothing was recorded in this period.",
		},
	}}}
	if diff := cmp.Diff(want, mails.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestAReportThatIsNotReadyIsWaitedForWithoutUsingAttempts(t *testing.T) {
	for _, tt := range []struct {
		waited, want time.Duration
	}{
		{0, time.Second},
		{time.Second, time.Second},
		{20 * time.Second, 5 * time.Second},
		{time.Hour, 30 * time.Second},
	} {
		for _, state := range []jobs.State{jobs.Waiting, jobs.Prioritized, jobs.Active, jobs.Delayed, jobs.WaitingChildren} {
			var mails outbox
			r := request()
			r.Waited = tt.waited
			_, err := emailreport.New(shelf{job: finishedReport(), state: state}, &mails).Send(t.Context(), r)
			if got, ok := jobs.SnoozedFor(err); !ok || got != tt.want {
				t.Errorf("%s after %s: %v, want a snooze of %s", state, tt.waited, err, tt.want)
			}
			if len(mails.sent) != 0 {
				t.Errorf("%s: a mail was sent", state)
			}
		}
	}
}

func TestAReportThatWillNotComeFailsForGood(t *testing.T) {
	failed := finishedReport()
	failed.FailedReason = "no such dataset"
	broken := finishedReport()
	broken.ReturnValue = nil
	for name, tt := range map[string]struct {
		shelf shelf
		want  string
	}{
		"failed":  {shelf{job: failed, state: jobs.Failed}, "the report failed: no such dataset"},
		"unknown": {shelf{err: jobs.ErrNotFound}, "does not exist"},
		"corrupt": {shelf{job: broken, state: jobs.Completed}, "result of report job r1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := emailreport.New(tt.shelf, &outbox{}).Send(t.Context(), request())
			if !jobs.IsUnrecoverable(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want an unrecoverable %q", err, tt.want)
			}
		})
	}
}

func TestAnOutageIsTriedAgain(t *testing.T) {
	_, err := emailreport.New(shelf{err: jobs.ErrUnavailable}, &outbox{}).Send(t.Context(), request())
	if !errors.Is(err, jobs.ErrUnavailable) || jobs.IsUnrecoverable(err) {
		t.Errorf("error is %v, want a plain jobs.ErrUnavailable", err)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	for _, tt := range []struct {
		payload emailreport.Payload
		field   string
	}{
		{emailreport.Payload{To: "ada@example.com"}, "reportJobId"},
		{emailreport.Payload{ReportJobID: strings.Repeat("x", 300), To: "ada@example.com"}, "reportJobId"},
		{emailreport.Payload{ReportJobID: "r1"}, "to"},
		{emailreport.Payload{ReportJobID: "r1", To: "ada@example.com\r\nBcc: x"}, "to"},
	} {
		err := emailreport.Validate(tt.payload)
		invalid, ok := errors.AsType[*jobs.ValidationError](err)
		if !ok || invalid.Field != tt.field {
			t.Errorf("%+v: %v, want an error about %s", tt.payload, err, tt.field)
		}
	}
	if err := emailreport.Validate(request().Payload); err != nil {
		t.Errorf("a good payload is refused: %v", err)
	}
}
