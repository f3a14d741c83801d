package users

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/outbox"
)

// Options are what a Service works with. Tx, Read, Outbox, Address and
// PublicURL are needed.
type Options struct {
	// Tx runs a function in a transaction: store.DB's method of that name.
	Tx func(ctx context.Context, do func(tx *sql.Tx) error) error
	// Read is the database to read from.
	Read *sql.DB
	// Outbox takes the mails.
	Outbox promiser
	// Address checks an address and returns the form to send to; its error is a
	// jobs.ErrInvalid for the field.
	Address func(field, address string) (string, error)
	// PublicURL is where the links in mails lead: https://tandem.example.com.
	PublicURL string

	Wake      func()           // called when a mail was committed; nil is nothing
	TokenTTL  time.Duration    // how long a link is good; 0 is 24 h
	HashSlots int              // passwords hashed at once, 19 MiB each; 0 is 4
	Now       func() time.Time // nil is time.Now
}

// promiser keeps the promise of a job as part of a transaction.
type promiser interface {
	Insert(ctx context.Context, tx *sql.Tx, e outbox.Entry) error
}

// Service signs users up. Make it with New; it is safe for concurrent use.
type Service struct {
	opts   Options
	hasher *Hasher
}

// New returns a service. It fails if something needed is missing.
func New(o Options) (*Service, error) {
	if o.Tx == nil || o.Read == nil || o.Outbox == nil || o.Address == nil || o.PublicURL == "" {
		return nil, errors.New("users: Tx, Read, Outbox, Address and PublicURL are needed")
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.TokenTTL <= 0 {
		o.TokenTTL = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{opts: o, hasher: NewHasher(o.HashSlots)}, nil
}
