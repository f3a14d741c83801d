package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// engine is what a pool needs of the broker.
type engine interface {
	reporter
	Settle(ctx context.Context, outcomes []broker.Outcome, f broker.Fetch) (broker.Settled, error)
	Renew(ctx context.Context, leases []broker.Lease, lockFor time.Duration) ([]error, error)
	Sweep(ctx context.Context, rule broker.SweepRule) (broker.Swept, error)
	Isolate(ctx context.Context, id, token string) (alone, others int, err error)
	Acquit(ctx context.Context, id string) error
	Advance(ctx context.Context, a broker.Advance) (string, error)
}

// listener blocks until there may be work.
type listener interface {
	Wait(ctx context.Context, timeout time.Duration) (woken bool, due time.Time, err error)
	Close() error
}

// Pool runs the jobs of one queue. Start it once; a stopped pool stays stopped.
type Pool struct {
	queue    string
	options  Options
	mux      *Mux
	broker   engine
	listen   func() listener // opens a connection of its own
	policy   policy
	log      *slog.Logger
	identity string // the part of every lock token that names this pool
	calls    atomic.Uint64

	exchange *exchange
	running  attempts // whose handlers have not returned
	held     attempts // whose locks are ours: until the outcome is stored, or refused

	completedKept, failedKept kept

	counters counters
	pulse    atomic.Int64 // unix nanoseconds of the latest sign of life

	work         context.Context // ends when running jobs must stop, with the cause
	stopWork     context.CancelCauseFunc
	upkeep       context.Context // ends when everything must
	endAll       context.CancelFunc
	fetching     context.Context // ends when the pool begins to stop
	stopFetching context.CancelFunc
	asking       context.Context // ends stopGrace later: calls that carry no outcome
	stopAsking   context.CancelFunc

	mu        sync.Mutex
	started   time.Time
	stopped   bool
	grace     *time.Timer    // ends asking; set by Stop
	slots     sync.WaitGroup // slots that have not ended
	upkeepers sync.WaitGroup // listener, alarm, keeper, sweeper
}

// Errors of a pool's life.
var (
	ErrStarted  = errors.New("pool was started already")
	ErrDeadline = errors.New("jobs were still running at the deadline")
)

// New returns a pool for a queue. It does not speak to Redis yet. The mux must
// not change any more.
func New(conn *redisconn.Conn, queueName string, mux *Mux, o Options) (*Pool, error) {
	if err := jobs.ValidateQueue(queueName); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	keys := wire.NewKeys(o.Prefix, queueName)
	if conn.IsCluster() && keys.HashTag() == "" {
		return nil, jobs.Invalid("prefix", "needs a hash tag on a Redis Cluster, for example {bull}")
	}
	o = o.withDefaults()
	listen := func() listener {
		return broker.NewWaiter(conn.Dedicated(keys.ClientName(o.Name), idleBlock), keys)
	}
	return newPool(queueName, mux, broker.New(conn, keys), listen, o)
}

func newPool(queueName string, mux *Mux, b engine, listen func() listener, o Options) (*Pool, error) {
	identity, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("make a worker identity: %w", err)
	}
	o = o.withDefaults()
	p := &Pool{
		queue: queueName, options: o, mux: mux, broker: b, listen: listen,
		policy:   policy{backoffs: o.Backoffs},
		log:      o.Logger.With(slog.String("queue", queueName)),
		identity: identity.String(),
		exchange: newExchange(o.Concurrency),
	}
	p.completedKept.policy, p.failedKept.policy = o.KeepCompleted, o.KeepFailed
	p.work, p.stopWork = context.WithCancelCause(context.Background())
	p.upkeep, p.endAll = context.WithCancel(context.Background())
	p.fetching, p.stopFetching = context.WithCancel(p.upkeep)
	p.asking, p.stopAsking = context.WithCancel(p.upkeep)
	p.exchange.settle, p.exchange.begin = p.settle, p.begin
	p.exchange.done, p.exchange.refuse, p.exchange.decline = p.done, p.reconsider, p.decline
	p.exchange.alarm = newAlarm()
	return p, nil
}

// Run starts the pool, lets it work until ctx ends, and stops it within
// ShutdownTimeout. The error is ErrDeadline when jobs had to be handed back.
func (p *Pool) Run(ctx context.Context) error {
	if err := p.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	p.Stop()
	return p.WaitForCompletion(p.options.ShutdownTimeout)
}

// Start begins to work and returns at once. A Redis that is down is waited for.
func (p *Pool) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started.IsZero() || p.stopped {
		return ErrStarted
	}
	p.started = time.Now()
	p.beat()
	for range p.options.Concurrency {
		p.slots.Go(func() { p.slot(nil) })
	}
	p.upkeepers.Go(p.listenForWork)
	p.upkeepers.Go(func() { p.exchange.alarm.run(p.upkeep, p.exchange.wake) })
	p.upkeepers.Go(p.keepLocks)
	p.upkeepers.Go(p.sweep)
	p.log.Info("worker started", slog.Int("concurrency", p.options.Concurrency), slog.String("worker", p.options.Name))
	return nil
}

// Stop ends fetching and returns at once; running jobs go on.
func (p *Pool) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.stopped = true
	p.stopFetching()
	p.exchange.stop()
	p.grace = time.AfterFunc(stopGrace, p.stopAsking)
}

// WaitForCompletion waits, after Stop, until the running jobs have ended and
// their outcomes are stored. Jobs that still run after the deadline are
// cancelled with jobs.ErrShutdown and go back to the head of their line, their
// attempt not counted; the error is then ErrDeadline and says how many.
func (p *Pool) WaitForCompletion(deadline time.Duration) error {
	p.Stop()
	err := p.drain(deadline)
	p.grace.Stop()
	p.endAll()
	p.stopWork(jobs.ErrShutdown)
	p.upkeepers.Wait()
	p.log.Info("worker stopped", slog.Any("error", err))
	return err
}

// stopGrace is how long a stopping pool waits for the answer to a call that
// carries no outcome. Cut off, the call may have taken jobs, which then have to
// wait until their locks run out.
const stopGrace = time.Second

// returnGrace is how long cancelled handlers may take to return before their
// jobs are handed back over their heads.
const returnGrace = 500 * time.Millisecond

func (p *Pool) drain(deadline time.Duration) error {
	ended := make(chan struct{})
	go func() { // ends with the slots; a handler that never returns keeps both
		p.slots.Wait()
		close(ended)
	}()
	if await(ended, deadline) {
		return nil
	}
	n := p.running.len()
	p.stopWork(jobs.ErrShutdown)
	if !await(ended, returnGrace) {
		p.handBack()
	}
	if n == 0 {
		return fmt.Errorf("%w: outcomes could not be stored in queue %s", ErrDeadline, p.queue)
	}
	return fmt.Errorf("%w: %d handed back to queue %s", ErrDeadline, n, p.queue)
}

func await(ended <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// handBack releases the jobs whose handlers ignore their context. What they
// return later is not heard.
func (p *Pool) handBack() {
	var abandoned []*attempt
	for _, a := range p.running.all() {
		if a.claim() {
			p.log.Warn("job handed back while its handler still runs", slog.String("job_id", a.taken.ID))
			p.load(a)
			a.conclude(p, verdict{kind: broker.Release}, ending{}, nil)
			abandoned = append(abandoned, a)
			if p.suspects(a) && !errors.Is(context.Cause(a.ctx), jobs.ErrLockLost) {
				p.acquit(a) // while it is ours: the process ends, and not by this job
			}
		}
	}
	ctx, cancel := context.WithTimeout(p.upkeep, p.options.LockDuration)
	defer cancel()
	for batch := range slices.Chunk(abandoned, broker.MaxBatch) {
		settled, err := p.broker.Settle(ctx, outcomesOf(batch), p.fetch(0, true))
		if err != nil {
			p.log.Error("cannot hand jobs back; their locks will run out", slog.Any("error", err))
			return
		}
		p.exchange.conclude(batch, settled.Results)
	}
}

func outcomesOf(attempts []*attempt) []broker.Outcome {
	outcomes := make([]broker.Outcome, len(attempts))
	for i, a := range attempts {
		outcomes[i] = a.outcome
	}
	return outcomes
}

// slot runs one job after the other. ended is an attempt whose outcome it has
// to hand in before, or nil.
func (p *Pool) slot(ended *attempt) {
	s := newSeat()
	var current *attempt
	defer func() {
		if current != nil { // the handler ended the goroutine: go on in a new one
			p.abandoned(current)
		}
	}()
	for {
		if current = p.exchange.next(s, ended); current == nil {
			return
		}
		ended = current
		if !p.run(current) {
			ended = nil
		}
		current = nil
	}
}

// abandoned reports a job whose handler called runtime.Goexit, and starts the
// slot anew.
func (p *Pool) abandoned(a *attempt) {
	p.running.remove(a)
	p.counters.active.Add(-1)
	var ended *attempt
	if a.claim() {
		e := ending{err: errors.New("handler ended its goroutine"), cause: context.Cause(a.ctx)}
		a.conclude(p, p.policy.judge(&a.task.Job, e, 0), e, nil)
		ended = a
	}
	a.cancel(nil)
	p.slots.Go(func() { p.slot(ended) })
}

// settle makes one call. It comes back only with an answer, or when everything
// has to end: the outcomes stay with their jobs until Redis has them.
func (p *Pool) settle(attempts []*attempt, want int, heed bool) round {
	ctx := p.upkeep
	if len(attempts) == 0 {
		ctx = p.asking
	}
	sent := time.Now()
	settled, err := p.broker.Settle(ctx, outcomesOf(attempts), p.fetch(want, heed))
	if err != nil {
		return p.failedRound(attempts, err)
	}
	p.beat()
	r := round{results: settled.Results, taken: settled.Taken, more: settled.Left}
	if !settled.NextDue.IsZero() {
		// By the server's clock it is so far away; ours may be wrong.
		r.due = sent.Add(settled.NextDue.Sub(settled.Now) + time.Millisecond)
		r.more = r.more || !settled.NextDue.After(settled.Now)
	}
	if settled.Limited > 0 {
		r.holdOff = sent.Add(min(settled.Limited, maxHoldOff))
	}
	return r
}

const (
	maxHoldOff = 30 * time.Second // as BullMQ's maximumRateLimitDelay
	nonsense   = time.Second      // before the next call after an answer that makes no sense
)

// failedRound is a call that Redis answered with something else than a refusal
// to serve: a broken key, say. It must neither be repeated in a loop nor pass
// unnoticed, and one bad outcome must not cost the others theirs.
func (p *Pool) failedRound(attempts []*attempt, err error) round {
	if p.upkeep.Err() == nil {
		p.log.Error("call to redis failed", slog.Any("error", err))
	}
	r := round{results: make([]error, len(attempts)), holdOff: time.Now().Add(nonsense)}
	for i := range attempts {
		r.results[i] = err
		if len(attempts) > 1 && p.upkeep.Err() == nil {
			r.results[i] = p.settle(attempts[i:i+1], 0, true).results[0]
		}
	}
	return r
}

func (p *Pool) fetch(want int, heed bool) broker.Fetch {
	return broker.Fetch{
		Token:     p.identity + ":" + strconv.FormatUint(p.calls.Add(1), 10),
		LockFor:   p.options.LockDuration,
		Want:      want,
		Worker:    p.options.Name,
		Limit:     p.options.RateLimit,
		MetricAge: p.options.MetricMinutes,
		Heed:      heed,
	}
}

// done tells of an outcome that is stored.
func (p *Pool) done(a *attempt) {
	p.held.remove(a)
	p.counters.count(a.report)
	p.tell(a)
}

// refused tells of an outcome that Redis did not take: another worker has the
// job, or it was removed.
func (p *Pool) refused(a *attempt, err error) {
	p.held.remove(a)
	a.report.Status = StatusLost
	a.report.Error = errors.Join(err, a.report.Error)
	p.log.Warn("outcome refused", slog.String("job_id", a.task.ID), slog.String("job_name", a.task.Name),
		slog.Int("attempt", a.task.Attempt), slog.Any("error", err))
	p.tell(a)
}

func (p *Pool) tell(a *attempt) {
	if !p.options.AttemptsLogged {
		p.logAttempt(a.report)
	}
	if p.options.OnAttempt != nil {
		p.options.OnAttempt(a.report)
	}
}

// decline makes the outcome that hands a job back which no slot can run.
func (p *Pool) decline(t broker.Taken) *attempt {
	a := p.begin(t)
	p.load(a)
	p.running.remove(a)
	p.counters.active.Add(-1)
	a.claim()
	a.cancel(nil)
	a.conclude(p, verdict{kind: broker.Release}, ending{}, nil)
	return a
}

func (p *Pool) logAttempt(r Attempt) {
	level := slog.LevelDebug
	if r.Status == StatusFailed || r.Status == StatusRetrying {
		level = slog.LevelWarn
	}
	if !p.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("job_id", r.Job.ID), slog.String("job_name", r.Job.Name), slog.Int("attempt", r.Number),
		slog.String("status", string(r.Status)), slog.Duration("duration", r.Duration()),
	}
	if r.Error != nil {
		attrs = append(attrs, slog.String("error", r.Error.Error()))
	}
	p.log.LogAttrs(context.Background(), level, "attempt ended", attrs...)
}

// Metrics are the pool's own counts since it started.
func (p *Pool) Metrics() Metrics {
	p.mu.Lock()
	started := p.started
	p.mu.Unlock()
	return p.counters.read(started)
}

// Queue is the name of the pool's queue.
func (p *Pool) Queue() string { return p.queue }

// LastPulse is when the pool last heard from Redis about its queue: from a
// fetch, from the wait for work, or, while every slot is busy, from a renewal. A
// pool that is well has one every few seconds, however long its jobs are, or
// every 30 s under a rate limit; one that is deaf has not.
func (p *Pool) LastPulse() time.Time { return time.Unix(0, p.pulse.Load()) }

func (p *Pool) beat() { p.pulse.Store(time.Now().UnixNano()) }
