package outbox

import (
	"encoding/json"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Entry is a promised job.
type Entry struct {
	ID        string // the job's id
	Queue     string
	Name      string
	Payload   json.RawMessage
	Options   jobs.Options // ID is ignored: the entry's counts
	CreatedAt time.Time
	Attempts  int // how often a relay took it, this time included
}

// Validate checks what can be checked before the entry is stored, because
// later there is nobody left to tell.
func (e *Entry) Validate() error {
	if err := jobs.ValidateID(e.ID); err != nil {
		return err
	}
	if err := jobs.ValidateQueue(e.Queue); err != nil {
		return err
	}
	if err := jobs.ValidateName(e.Name); err != nil {
		return err
	}
	if !json.Valid(e.Payload) {
		return jobs.Invalid("payload", "must be JSON")
	}
	if err := jobs.CheckSize("payload", len(e.Payload), jobs.MaxData); err != nil {
		return err
	}
	return e.Options.Validate()
}
