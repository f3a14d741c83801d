package users

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
)

// mailQueue is the queue of the room that sends mails. A mail's job is named
// after its template.
const mailQueue = "email"

// mail is the payload of a mail's job.
type mail struct {
	Template string            `json:"template"`
	To       string            `json:"to"`
	Data     map[string]string `json:"data"`
}

func (s *Service) welcomeMail(u User, token string) mail {
	return mail{Template: "welcome", To: u.Email, Data: map[string]string{
		"name":      u.Name,
		"verifyUrl": s.opts.PublicURL + "/verify?" + url.Values{"token": {token}}.Encode(),
		"expiresIn": inWords(s.opts.TokenTTL),
	}}
}

func accountExistsMail(to, name string) mail {
	return mail{Template: "account-exists", To: to, Data: map[string]string{"name": name}}
}

// inWords says a duration as a mail would: 24 hours, 90 minutes.
func inWords(d time.Duration) string {
	n, unit := int64(max(1, d.Round(time.Minute)/time.Minute)), "minute"
	if n%60 == 0 {
		n, unit = n/60, "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// promiseMail puts the mail's job into the outbox.
func (s *Service) promiseMail(ctx context.Context, tx *sql.Tx, u User, m mail) error {
	payload, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode mail: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return s.opts.Outbox.Insert(ctx, tx, outbox.Entry{
		ID: id.String(), Queue: mailQueue, Name: m.Template, Payload: payload, CreatedAt: u.CreatedAt,
		Options: jobs.Options{
			Priority: jobs.High, Attempts: 3,
			Backoff: jobs.Backoff{Type: jobs.Exponential, Delay: 5 * time.Second, Jitter: 0.2},
		},
	})
}
