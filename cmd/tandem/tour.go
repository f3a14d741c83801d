package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// tour is the demo's walk through the API, as any client could take it.
type tour struct {
	client *client
	mails  *mailbox
	out    io.Writer
}

func newTour(at addresses, key string, out io.Writer) *tour {
	return &tour{client: newClient(at.api, key), mails: newMailbox(at.mails), out: out}
}

// visitor is the address that the tour's mails go to.
const visitor = "ada@example.com"

func (t *tour) run(ctx context.Context) error {
	for _, stop := range []func(context.Context) error{t.register, t.sendMails, t.exportFiles, t.makeReport} {
		if err := stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// register signs a user up; the welcome mail comes through the outbox.
func (t *tour) register(ctx context.Context) error {
	t.say("\n1. POST /register")
	var answer struct {
		User struct{ ID, Email, Status string }
	}
	err := t.client.post(ctx, "/register", map[string]any{
		"name": "Ada Lovelace", "email": visitor, "password": "correct horse battery staple",
	}, &answer)
	if err != nil {
		return err
	}
	t.say("   user %s is %s", answer.User.ID, answer.User.Status)
	return t.expectMail(ctx, 1)
}

func (t *tour) expectMail(ctx context.Context, n int) error {
	subject, err := t.mails.wait(ctx, n)
	if err != nil {
		return err
	}
	t.say("   mail %d arrived: %q, shown at %s", n, subject, t.mails.url)
	return nil
}

// sendMails sends one mail at once and a newsletter in bulk, at low priority.
func (t *tour) sendMails(ctx context.Context) error {
	t.say("\n2. Mails: one at once, two in bulk at low priority")
	one := map[string]any{
		"template": "generic", "to": visitor, "data": map[string]any{"message": "This mail was sent by a job."},
		"options": map[string]any{"priority": "high", "maxAttempts": 3},
	}
	if _, err := t.runJob(ctx, "/api/v1/emails", one); err != nil {
		return err
	}
	if err := t.sendBulk(ctx); err != nil {
		return err
	}
	return t.expectMail(ctx, 4)
}

func (t *tour) sendBulk(ctx context.Context) error {
	item := func(title string) map[string]any {
		return map[string]any{
			"data": map[string]any{"type": "email", "payload": map[string]any{
				"template": "newsletter", "to": visitor,
				"data": map[string]any{"title": title, "intro": "Jobs run beside requests, not in them."},
			}},
			"options": map[string]any{"priority": "low"},
		}
	}
	var answer struct{ Results []queued }
	err := t.client.post(ctx, "/api/v1/jobs/bulk", map[string]any{
		"jobs": []any{item("First letter"), item("Second letter")},
	}, &answer)
	if err != nil {
		return err
	}
	for _, job := range answer.Results {
		if _, err := t.follow(ctx, job); err != nil {
			return err
		}
	}
	return nil
}

// exportFiles makes the record of the mails so far into one file of each kind.
func (t *tour) exportFiles(ctx context.Context) error {
	t.say("\n3. Exports: the mails so far, as csv, xlsx and pdf")
	for _, format := range []string{"csv", "xlsx", "pdf"} {
		result, err := t.runJob(ctx, "/api/v1/exports", map[string]any{
			"format": format, "userId": "demo", "query": map[string]any{"dataset": "email_messages"},
		})
		if err != nil {
			return err
		}
		url, _ := result["downloadUrl"].(string)
		n, err := t.client.download(ctx, url)
		if err != nil {
			return err
		}
		t.say("   %v rows, %d bytes, downloaded by its signed link", result["rows"], n)
	}
	return nil
}

// makeReport makes a report of today and has it mailed; the mail's job is added
// while the report is being made, and waits for it.
func (t *tour) makeReport(ctx context.Context) error {
	t.say("\n4. A report of today, and a mail with its link")
	today := time.Now().UTC()
	var made, mailed queued
	err := t.client.post(ctx, "/api/v1/reports", map[string]any{
		"reportType": "email-delivery", "tenantId": "demo",
		"dateRange": map[string]any{"start": today.Format(time.DateOnly), "end": today.AddDate(0, 0, 1).Format(time.DateOnly)},
	}, &made)
	if err != nil {
		return err
	}
	err = t.client.post(ctx, "/api/v1/jobs", map[string]any{
		"type": "email-report", "payload": map[string]any{"reportJobId": made.JobID, "to": visitor},
	}, &mailed)
	if err != nil {
		return err
	}
	if _, err := t.follow(ctx, made); err != nil {
		return err
	}
	if _, err := t.follow(ctx, mailed); err != nil {
		return err
	}
	return t.expectMail(ctx, 5)
}

func (t *tour) runJob(ctx context.Context, path string, body any) (map[string]any, error) {
	var job queued
	if err := t.client.post(ctx, path, body, &job); err != nil {
		return nil, err
	}
	return t.follow(ctx, job)
}

// follow waits until a job has its outcome and tells of each status on the way.
func (t *tour) follow(ctx context.Context, job queued) (map[string]any, error) {
	last := ""
	for {
		view, err := t.client.job(ctx, job.StatusURL)
		if err != nil {
			return nil, err
		}
		if view.Status != last {
			t.say("   %-12s %s  %s", view.Queue, job.JobID, view.Status)
			last = view.Status
		}
		switch view.Status {
		case "completed":
			return view.Result, nil
		case "failed":
			return nil, fmt.Errorf("job %s of queue %s failed: %s", job.JobID, view.Queue, view.FailedReason)
		}
	}
}
