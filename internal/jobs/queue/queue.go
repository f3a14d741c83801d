package queue

import (
	"context"
	"slices"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// Options of a queue. The zero value works.
type Options struct {
	// Prefix is the first part of every key; "" is "bull". On a Redis Cluster it,
	// or the queue's name, needs a hash tag: "{bull}".
	Prefix string

	// Priority, Attempts and Backoff are for jobs that do not say themselves;
	// zero is jobs.Normal, one attempt, and no delay between attempts.
	Priority jobs.Priority
	Attempts int
	Backoff  jobs.Backoff

	// CustomBackoffs are backoff types beside the shipped ones that the workers
	// of this queue know. A job with another one is refused.
	CustomBackoffs []jobs.BackoffType

	// Patience is how long to keep trying to store a job whose caller sets no
	// deadline; 0 is 10 s.
	Patience time.Duration
}

// adder is what a queue needs of the broker.
type adder interface {
	Add(ctx context.Context, jobs []broker.NewJob) (existed []bool, err error)
	AddMany(ctx context.Context, jobs []broker.NewJob) (existed []bool, err error)
}

// Queue adds jobs to one queue. It may be used by many goroutines; Close it
// when they are done.
type Queue struct {
	name    string
	options Options
	broker  adder
	joiner  *joiner
}

// New returns the queue with this name. It does not speak to Redis yet.
func New(conn *redisconn.Conn, name string, o Options) (*Queue, error) {
	if err := o.validate(name); err != nil {
		return nil, err
	}
	keys := wire.NewKeys(o.Prefix, name)
	if conn.IsCluster() && keys.HashTag() == "" {
		return nil, jobs.Invalid("prefix", "needs a hash tag on a Redis Cluster, for example {bull}")
	}
	b := broker.New(conn, keys).Replicated(broker.Replication{
		Replicas: conn.Replicas(), Timeout: conn.ReplicaTimeout(), Primary: conn,
	})
	return newQueue(b, name, o), nil
}

func newQueue(b adder, name string, o Options) *Queue {
	if o.Priority == 0 {
		o.Priority = jobs.Normal
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	return &Queue{name: name, options: o, broker: b, joiner: newJoiner(b, o.Patience)}
}

func (o *Options) validate(name string) error {
	if err := jobs.ValidateQueue(name); err != nil {
		return err
	}
	defaults := jobs.Options{Priority: o.Priority, Attempts: o.Attempts, Backoff: o.Backoff}
	if err := o.accepts(&defaults); err != nil {
		return err
	}
	if o.Patience < 0 {
		return jobs.Invalid("patience", "must not be negative")
	}
	return nil
}

// accepts says what is wrong with a job's options, its backoff type included.
func (o *Options) accepts(job *jobs.Options) error {
	if err := job.Validate(); err != nil {
		return err
	}
	t := job.Backoff.Type
	if t != "" && !t.Shipped() && !slices.Contains(o.CustomBackoffs, t) {
		return jobs.Invalid("backoff.type", "%q is unknown: it must be fixed, linear or exponential", t)
	}
	return nil
}

// Name is the queue's name.
func (q *Queue) Name() string { return q.name }

// Close waits until every call under way has ended. Further adds are refused.
func (q *Queue) Close() { q.joiner.close() }
