package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// transport brings a mail to where it is taken care of.
type transport interface {
	// Deliver returns nil once somebody else is responsible for the mail.
	Deliver(ctx context.Context, from, to string, content io.WriterTo) error
}

var _ transport = (*SMTP)(nil)

// Options are what a Mailer is told of the world.
type Options struct {
	From    string // MAIL_FROM: an address, with a name before it or without
	Brand   Brand  // its empty Name is From's name
	HashKey []byte // keys the hash of recorded addresses; at least 16 bytes
	Logger  *slog.Logger
	Now     func() time.Time // nil is time.Now
}

// Mailer sends the mails of jobs. It is safe for concurrent use.
type Mailer struct {
	transport transport
	ledger    recorder
	renderer  *Renderer
	from      sender
	hashKey   []byte
	log       *slog.Logger
	now       func() time.Time
}

// minHashKey makes guessing the key harder than guessing the addresses.
const minHashKey = 16

// New joins a transport and a record.
func New(t transport, r recorder, o Options) (*Mailer, error) {
	from, err := parseSender(o.From)
	if err != nil {
		return nil, fmt.Errorf("mailer: %w", err)
	}
	if len(o.HashKey) < minHashKey {
		return nil, fmt.Errorf("mailer: the hash key has %d bytes, and needs %d", len(o.HashKey), minHashKey)
	}
	if o.Brand.Name == "" {
		o.Brand.Name = from.name
	}
	renderer, err := NewRenderer(o.Brand)
	if err != nil {
		return nil, fmt.Errorf("mailer: %w", err)
	}
	m := &Mailer{transport: t, ledger: r, renderer: renderer, from: from, hashKey: o.HashKey, log: o.Logger, now: o.Now}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.now == nil {
		m.now = time.Now
	}
	return m, nil
}

// Renderer makes mails as this Mailer would send them.
func (m *Mailer) Renderer() *Renderer { return m.renderer }

// Send sends the mail of one attempt at a job, unless it was sent before; then
// it answers as it did that time. Its errors are jobs.Unrecoverable when no
// further attempt can help, and never carry an address.
func (m *Mailer) Send(ctx context.Context, req SendRequest) (Result, error) {
	if req.JobID == "" {
		return Result{}, jobs.Unrecoverable(jobs.Invalid("jobId", "is required"))
	}
	entry := m.entry(req)
	l, err := read(req.Payload)
	if err != nil {
		return Result{}, m.fail(ctx, req, entry, jobs.Unrecoverable(err))
	}
	previous, found, err := m.ledger.Find(ctx, entry.ID)
	if err != nil {
		return Result{}, fmt.Errorf("was it sent before: %w", err)
	}
	if found && previous.settles(entry) {
		m.log.InfoContext(ctx, "mail was sent before", "job_id", req.JobID, "attempt", req.Attempt)
		return m.result(req, previous), nil
	}
	return m.send(ctx, req, entry, l)
}

func (m *Mailer) send(ctx context.Context, req SendRequest, entry Record, l letter) (Result, error) {
	rendered, err := m.renderer.render(l)
	if err != nil {
		return Result{}, m.fail(ctx, req, entry, jobs.Unrecoverable(err))
	}
	entry.Subject = rendered.Subject
	message := m.from.compose(req, l, rendered, m.now())
	if err := m.transport.Deliver(ctx, m.from.address, l.to, message); err != nil {
		return Result{}, m.fail(ctx, req, entry, verdict(err))
	}
	entry.Status, entry.SentAt = Sent, m.now().UTC().Truncate(time.Millisecond)
	if err := m.record(ctx, entry); err != nil {
		// The mail is out. To fail now would send it again.
		m.log.ErrorContext(ctx, "mail was sent but not recorded", "job_id", req.JobID, "attempt", req.Attempt, "error", err)
	}
	return m.result(req, entry), nil
}

// entry is the record of an attempt that has not succeeded.
func (m *Mailer) entry(req SendRequest) Record {
	address := req.Payload.To
	if ascii, err := ParseAddress("to", address); err == nil {
		address = ascii
	}
	return Record{
		ID:            req.recordID(),
		TenantID:      req.TenantID,
		Template:      templateName(req.Payload.Template),
		AddressHash:   HashAddress(m.hashKey, address),
		AddressMasked: Mask(address),
		Status:        Failed,
		Attempts:      req.Attempt,
		QueuedAt:      req.QueuedAt,
		CreatedAt:     m.now().UTC().Truncate(time.Millisecond),
	}
}

// templateName keeps names that are no template's out of the record: they are
// whatever somebody sent.
func templateName(name string) string {
	if _, err := find(name); err != nil {
		return "unknown"
	}
	return name
}

func (m *Mailer) result(req SendRequest, r Record) Result {
	return Result{
		MessageID: m.from.messageID(req),
		Recipient: r.AddressMasked,
		Template:  r.Template,
		Subject:   r.Subject,
		SentAt:    r.SentAt,
	}
}

// fail writes a failed attempt down and returns its reason. An attempt that was
// called off is no failure of the mail, and somebody else may have the job now.
func (m *Mailer) fail(ctx context.Context, req SendRequest, entry Record, reason error) error {
	if calledOff(ctx) {
		return reason
	}
	entry.Error = scrub(reason.Error())
	if err := m.record(ctx, entry); err != nil {
		m.log.ErrorContext(ctx, "failed mail was not recorded", "job_id", req.JobID, "attempt", req.Attempt, "error", err)
	}
	return reason
}

// calledOff tells a shutdown or a lost lock from an attempt that took too long.
func calledOff(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause != nil && !errors.Is(cause, jobs.ErrTimeout) && !errors.Is(cause, context.DeadlineExceeded)
}

// recordTimeout bounds the write that follows an attempt whose context may
// have ended.
const recordTimeout = 5 * time.Second

func (m *Mailer) record(ctx context.Context, entry Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return m.ledger.Record(ctx, entry)
}
