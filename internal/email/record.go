package email

import (
	"context"
	"time"
)

// Status is how a mail stands.
type Status string

// The states of a recorded mail.
const (
	Sent   Status = "sent"   // the server took it
	Failed Status = "failed" // the last attempt did not get it out
)

// Record is what is remembered of one job's mail.
type Record struct {
	ID            string // SendRequest.recordID
	TenantID      string
	Template      string
	AddressHash   string // HashAddress
	AddressMasked string // Mask
	Subject       string
	Status        Status
	Error         string    // why the last attempt failed, without the address
	Attempts      int       // the number of the attempt that this tells of
	QueuedAt      time.Time // when the job was added; not stored
	CreatedAt     time.Time // of the first attempt
	SentAt        time.Time // zero unless Sent
}

// recorder remembers mails.
type recorder interface {
	// Find returns what is recorded under an id.
	Find(ctx context.Context, id string) (r Record, found bool, err error)
	// Record writes an attempt down. A failed one does not take the place of
	// this job's success.
	Record(ctx context.Context, r Record) error
}

// skew is by how much the clocks of those who add jobs and of those who send
// mails may differ.
const skew = 5 * time.Minute

// earlier reports whether r tells of a mail from before the job was added: the
// id was used again.
func (r Record) earlier(queuedAt time.Time) bool {
	return !queuedAt.IsZero() && r.SentAt.Before(queuedAt.Add(-skew))
}

// settles reports whether r, found under an attempt's id, says that the
// attempt's mail was sent. A caller chooses ids, so the same id may be another
// tenant's, or another mail.
func (r Record) settles(attempt Record) bool {
	return r.Status == Sent && !r.earlier(attempt.QueuedAt) &&
		r.TenantID == attempt.TenantID && r.Template == attempt.Template && r.AddressHash == attempt.AddressHash
}
