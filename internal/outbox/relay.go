package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/internal/jobs"
)

// Store is the table of entries. store.Outbox is one.
type Store interface {
	// Claim takes at most limit entries that are due at now and belong to
	// nobody, and makes them due again at until, when they pass to whoever
	// comes first.
	Claim(ctx context.Context, now, until time.Time, limit int) ([]Entry, error)
	// MarkSent records that the jobs are in the queue, and forgets their
	// payloads, which may hold secrets.
	MarkSent(ctx context.Context, at time.Time, ids ...string) error
	// MarkFailed makes an entry due again at next.
	MarkFailed(ctx context.Context, id, reason string, next time.Time) error
	// GiveUp records that an entry can never be added.
	GiveUp(ctx context.Context, id, reason string, at time.Time) error
}

// Options tune a Relay. The zero value is fine.
type Options struct {
	Poll    time.Duration    // how often to look without being woken; 0 is 1 s
	Batch   int              // entries claimed at once; 0 is 50
	Lease   time.Duration    // after it, entries of a dead relay pass on; 0 is 1 min
	Timeout time.Duration    // for one Enqueue; 0 is 2 s. Batch × Timeout may exceed Lease: see relay
	Probe   time.Duration    // how often to ask while Redis is away; 0 is 500 ms
	Metrics *Metrics         // nil counts for nobody
	Logger  *slog.Logger     // nil is silent
	Now     func() time.Time // nil is time.Now
}

func (o Options) withDefaults() Options {
	o.Poll = positive(o.Poll, time.Second)
	o.Lease = positive(o.Lease, time.Minute)
	o.Timeout = positive(o.Timeout, 2*time.Second)
	o.Probe = positive(o.Probe, 500*time.Millisecond)
	if o.Batch <= 0 {
		o.Batch = 50
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func positive(d, standard time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return standard
}

// Relay moves entries into the queue. Make it with New.
type Relay struct {
	store   Store
	enqueue func(context.Context, Entry) error
	opts    Options
	woken   chan struct{}
}

// New returns a relay. enqueue adds one job under the entry's id and returns
// nil if a job with that id is there already. An error that is a
// jobs.ErrUnavailable makes the relay wait for Redis, jobs.ErrInvalid and
// jobs.ErrTooLarge give the entry up, and any other puts this one entry off.
func New(store Store, enqueue func(context.Context, Entry) error, o Options) *Relay {
	return &Relay{store: store, enqueue: enqueue, opts: o.withDefaults(), woken: make(chan struct{}, 1)}
}

// Wake tells the relay that an entry was committed. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run relays until ctx is cancelled, and then returns nil.
func (r *Relay) Run(ctx context.Context) error {
	away := false
	for ctx.Err() == nil {
		more, err := r.step(ctx, away)
		if ctx.Err() != nil {
			break
		}
		r.report(ctx, away, err)
		away = err != nil
		r.wait(ctx, more, away)
	}
	return nil
}

// report logs when the relay stops getting on, and when it gets on again.
func (r *Relay) report(ctx context.Context, away bool, err error) {
	switch {
	case err != nil && !away:
		r.opts.Logger.WarnContext(ctx, "outbox waits", "error", err)
	case err == nil && away:
		r.opts.Logger.InfoContext(ctx, "outbox gets on again")
	}
}

// wait returns when there may be something to do: at once after a full batch,
// and otherwise after the poll interval or Wake. While Redis or SQL is away
// only time counts, so that new entries cannot turn the wait into a busy loop.
func (r *Relay) wait(ctx context.Context, more, away bool) {
	if more && !away {
		return
	}
	d, woken := r.opts.Poll, r.woken
	if away {
		d, woken = r.opts.Probe/2+rand.N(r.opts.Probe/2+1), nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-woken:
	}
}

// step relays one batch, or a single entry to see whether Redis is back. more
// says that there are probably further entries; the error, that there is no
// point in trying them now.
func (r *Relay) step(ctx context.Context, probe bool) (more bool, err error) {
	limit := r.opts.Batch
	if probe {
		limit = 1
	}
	now := r.opts.Now()
	entries, err := r.store.Claim(ctx, now, now.Add(r.opts.Lease), limit)
	if err != nil {
		return false, fmt.Errorf("claim entries: %w", err)
	}
	return len(entries) == limit, r.relay(ctx, entries)
}

// relay adds the entries one by one. It stops when Redis is away and puts the
// rest back. A batch that takes longer than the lease is no harm: another
// relay adds the rest a second time, which the fixed ids make a no-op.
func (r *Relay) relay(ctx context.Context, entries []Entry) error {
	var sent []string
	for i, e := range entries {
		err := r.add(ctx, e)
		switch {
		case err == nil:
			sent = append(sent, e.ID)
		case unavailable(err):
			return errors.Join(err, r.settle(ctx, sent, entries[i:], err))
		default:
			if err := r.refused(ctx, e, err); err != nil {
				return errors.Join(err, r.settle(ctx, sent, nil, nil))
			}
		}
	}
	return r.settle(ctx, sent, nil, nil)
}

func (r *Relay) add(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	return r.enqueue(ctx, e)
}

// unavailable reports that the trouble is not the entry's.
func unavailable(err error) bool {
	return errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// refused decides about one entry that was not added although Redis answered.
func (r *Relay) refused(ctx context.Context, e Entry, cause error) error {
	log := r.opts.Logger.With("queue", e.Queue, "job_id", e.ID, "job_name", e.Name, "error", cause)
	if errors.Is(cause, jobs.ErrInvalid) || errors.Is(cause, jobs.ErrTooLarge) {
		log.ErrorContext(ctx, "outbox gives an entry up")
		r.opts.Metrics.givenUp.Inc()
		return r.store.GiveUp(ctx, e.ID, cause.Error(), r.opts.Now())
	}
	log.WarnContext(ctx, "outbox puts an entry off")
	r.opts.Metrics.putOff.Inc()
	return r.store.MarkFailed(ctx, e.ID, cause.Error(), r.opts.Now().Add(putOff.After(e.Attempts, rand.Float64())))
}

// putOff is the delay of an entry that fails by itself.
var putOff = jobs.Backoff{Type: jobs.Exponential, Delay: time.Second, MaxDelay: 5 * time.Minute, Jitter: 0.2}

// settle records what became of a batch: these were sent, and the rest is due
// again at once. It does so even while the program is stopping, because the
// jobs are in the queue.
func (r *Relay) settle(ctx context.Context, sent []string, rest []Entry, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	now := r.opts.Now()
	var failures []error
	if len(sent) > 0 {
		r.opts.Metrics.sent.Add(float64(len(sent)))
		failures = append(failures, r.store.MarkSent(ctx, now, sent...))
	}
	for _, e := range rest {
		failures = append(failures, r.store.MarkFailed(ctx, e.ID, cause.Error(), now))
	}
	return errors.Join(failures...)
}
