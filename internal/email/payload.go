package email

import (
	"cmp"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Queue is where mails wait. The job's name is the template's.
const Queue = "email"

// Payload asks for one mail to one recipient.
type Payload struct {
	Template string         `json:"template"`
	To       string         `json:"to"`
	Subject  string         `json:"subject,omitempty"` // in place of the template's own
	Data     map[string]any `json:"data,omitempty"`
}

// Result is what a sent mail leaves behind: enough to find it, nothing that
// says who got it.
type Result struct {
	MessageID string    `json:"messageId"` // with its angle brackets
	Recipient string    `json:"recipient"` // masked: a***@example.com
	Template  string    `json:"template"`
	Subject   string    `json:"subject"`
	SentAt    time.Time `json:"sentAt"` // UTC, whole milliseconds
}

// Type is the job type of the mails made from one template.
func Type(template string) jobs.Type[Payload, Result] {
	return jobs.Define[Payload, Result](Queue, template)
}

// SendRequest is one attempt at one job's mail.
type SendRequest struct {
	JobID    string
	Queue    string // the job's; empty is Queue
	Attempt  int    // counted from 1
	TenantID string
	// QueuedAt is when the job was added, the same at every attempt. A record of an older mail is not taken
	// for this job's, should a caller use a job id again after the first job was
	// forgotten. Zero takes any record.
	QueuedAt time.Time
	Payload  Payload
}

func (r SendRequest) queue() string { return cmp.Or(r.Queue, Queue) }

// recordID is the id under which the mail is recorded: the job's, and for that of
// another queue, which can have a job of the same id, with its queue before it.
func (r SendRequest) recordID() string {
	if r.queue() == Queue {
		return r.JobID
	}
	return r.Queue + ":" + r.JobID
}
