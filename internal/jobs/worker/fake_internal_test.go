package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// fakeRedis plays the broker in memory, on the bubble's clock: what a queue
// promises to a pool, and nothing of how. Several pools can share one.
type fakeRedis struct {
	latency time.Duration // of each call
	skew    time.Duration // how far its clock is ahead of ours

	mu       sync.Mutex
	waiting  []*jobs.Job
	delayed  map[*jobs.Job]time.Time
	active   map[string]*lock
	marker   map[string]float64 // as the sorted set: "0", "1" with ms
	waiters  []chan struct{}
	down     bool
	up       chan struct{} // closed when it is up again
	limited  time.Time     // no job is handed out before
	refuseBy error         // what every settle answers, when set
	stuck    chan struct{} // when set, calls with outcomes get no further until it is closed

	calls    []settleCall
	inFlight int
	most     int // calls at once
	stored   map[string][]broker.Kind
	results  map[string]string
	renewals [][]string
	sweeps   int
	orphans  []string // active jobs whose outcome met refuseBy: nobody renews their locks
	deaths   map[string][]string
	advanced []broker.Advance
	bad      map[string]error // results of outcomes, by job id
	progress []string
	logs     []string
	waits    int
}

type lock struct {
	job   *jobs.Job
	token string
}

// settleCall is what one Settle carried.
type settleCall struct {
	outcomes []string
	want     int
	taken    int
	at       time.Time
}

func newFakeRedis() *fakeRedis {
	return &fakeRedis{
		latency: time.Millisecond, delayed: map[*jobs.Job]time.Time{}, active: map[string]*lock{},
		marker: map[string]float64{}, stored: map[string][]broker.Kind{}, results: map[string]string{},
		deaths: map[string][]string{},
	}
}

func (f *fakeRedis) now() time.Time { return time.Now().Add(f.skew) }

// add puts jobs into the line and wakes whoever waits.
func (f *fakeRedis) add(list ...*jobs.Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, list...)
	f.mark("0", 0)
}

// addLate adds a delayed job.
func (f *fakeRedis) addLate(job *jobs.Job, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delayed[job] = f.now().Add(d)
	f.markNext()
}

// mark sets the marker; callers hold mu.
func (f *fakeRedis) mark(member string, score float64) {
	f.marker[member] = score
	for _, w := range f.waiters {
		close(w)
	}
	f.waiters = nil
}

func (f *fakeRedis) nextDue() (due time.Time) {
	for _, at := range f.delayed {
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return due
}

func (f *fakeRedis) markNext() {
	if due := f.nextDue(); !due.IsZero() {
		f.mark("1", float64(due.UnixMilli()))
	}
}

// fall and rise are an outage: calls under way and new ones wait for its end.
func (f *fakeRedis) fall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.up = true, make(chan struct{})
}

func (f *fakeRedis) rise() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = false
	close(f.up)
}

// reach waits out the latency and any outage, as the broker's send does.
func (f *fakeRedis) reach(ctx context.Context) error {
	if err := sleep(ctx, locked(f, func() time.Duration { return f.latency })); err != nil {
		return err
	}
	f.mu.Lock()
	down, up := f.down, f.up
	f.mu.Unlock()
	if !down {
		return nil
	}
	select {
	case <-up:
		return sleep(ctx, 50*time.Millisecond)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, ctx.Err())
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, ctx.Err())
	}
}

func (f *fakeRedis) Settle(ctx context.Context, outcomes []broker.Outcome, fetch broker.Fetch) (broker.Settled, error) {
	f.enter()
	defer f.leave()
	if stuck := locked(f, func() chan struct{} { return f.stuck }); stuck != nil && len(outcomes) > 0 {
		<-stuck
	}
	if err := f.reach(ctx); err != nil {
		return broker.Settled{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	call := settleCall{want: fetch.Want, at: time.Now()}
	for _, o := range outcomes {
		call.outcomes = append(call.outcomes, o.ID)
	}
	if f.refuseBy != nil {
		f.calls = append(f.calls, call)
		f.orphans = append(f.orphans, call.outcomes...)
		return broker.Settled{}, f.refuseBy
	}
	settled, looks := broker.Settled{Now: f.now()}, fetch.Heed
	for _, o := range outcomes {
		settled.Results = append(settled.Results, f.end(o))
		looks = looks || o.Kind != broker.Completed
	}
	f.promote()
	settled.Taken = f.take(fetch)
	settled.NextDue = f.nextDue()
	if rest := time.Until(f.limited); rest > 0 && fetch.Want > 0 {
		settled.Limited = rest
	} else if looks && len(f.waiting) > 0 && (fetch.Want == 0 || !time.Now().Before(f.limited)) {
		settled.Left = true
		f.mark("0", 0)
	}
	if fetch.Want == 0 {
		f.markNext()
	}
	call.taken = len(settled.Taken)
	f.calls = append(f.calls, call)
	return settled, nil
}

func (f *fakeRedis) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight++
	f.most = max(f.most, f.inFlight)
}

func (f *fakeRedis) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
}

func (f *fakeRedis) end(o broker.Outcome) error {
	if err := f.bad[o.ID]; err != nil {
		return err
	}
	held, ok := f.active[o.ID]
	if !ok || held.token != o.Token {
		return jobs.ErrLockLost
	}
	delete(f.active, o.ID)
	f.stored[o.ID] = append(f.stored[o.ID], o.Kind)
	f.results[o.ID] = o.Value
	switch o.Kind {
	case broker.Release:
		f.waiting = append([]*jobs.Job{held.job}, f.waiting...)
		f.mark("0", 0)
	case broker.Retry, broker.RetryFirst:
		held.job.AttemptsMade++
		f.waiting = append(f.waiting, held.job)
		f.mark("0", 0)
	case broker.Backoff, broker.Snooze:
		if o.Kind == broker.Backoff {
			held.job.AttemptsMade++
		}
		f.delayed[held.job] = f.now().Add(o.Delay)
		f.markNext()
	}
	return nil
}

func (f *fakeRedis) promote() {
	for job, due := range f.delayed {
		if !due.After(f.now()) {
			delete(f.delayed, job)
			f.waiting = append(f.waiting, job)
			f.mark("0", 0)
		}
	}
}

func (f *fakeRedis) take(fetch broker.Fetch) (taken []broker.Taken) {
	if time.Now().Before(f.limited) {
		return nil
	}
	n := min(fetch.Want, len(f.waiting))
	for _, job := range f.waiting[:n] {
		job.AttemptsStarted++
		f.active[job.ID] = &lock{job: job, token: fetch.Token}
		copied := *job
		copied.ProcessedOn = f.now()
		taken = append(taken, broker.Taken{
			ID: job.ID, Token: fetch.Token, LockEnd: time.Now().Add(fetch.LockFor), Started: job.AttemptsStarted,
			Load: func() (*jobs.Job, error) { return &copied, nil },
		})
	}
	f.waiting = slices.Delete(f.waiting, 0, n)
	return taken
}

func (f *fakeRedis) Renew(ctx context.Context, leases []broker.Lease, _ time.Duration) ([]error, error) {
	if err := f.reach(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	results := make([]error, len(leases))
	var ids []string
	for i, l := range leases {
		ids = append(ids, l.ID)
		if held, ok := f.active[l.ID]; !ok || held.token != l.Token {
			results[i] = jobs.ErrLockLost
		}
	}
	slices.Sort(ids)
	f.renewals = append(f.renewals, ids)
	return results, nil
}

func (f *fakeRedis) Sweep(ctx context.Context, rule broker.SweepRule) (broker.Swept, error) {
	if err := f.reach(ctx); err != nil {
		return broker.Swept{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweeps++
	recovered := f.orphans
	f.orphans = nil
	for _, id := range recovered {
		if held, ok := f.active[id]; ok {
			delete(f.active, id)
			f.waiting = append(f.waiting, held.job)
			f.mark("0", 0)
		}
	}
	return broker.Swept{Recovered: recovered, Next: rule.Interval}, nil
}

func (f *fakeRedis) Isolate(ctx context.Context, id, token string) (alone, others int, err error) {
	if err := f.reach(ctx); err != nil {
		return 0, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaths[id] = append(f.deaths[id], token)
	return len(f.deaths[id]) - 1, 0, nil
}

func (f *fakeRedis) Acquit(ctx context.Context, id string) error {
	if err := f.reach(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.deaths, id)
	return nil
}

func (f *fakeRedis) Advance(ctx context.Context, a broker.Advance) (string, error) {
	if err := f.reach(ctx); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advanced = append(f.advanced, a)
	return "next", nil
}

func (f *fakeRedis) Progress(ctx context.Context, id string, value []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress = append(f.progress, id+" "+string(value))
	return nil
}

func (f *fakeRedis) Log(ctx context.Context, id, line string, _ int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, id+" "+line)
	return len(f.logs), nil
}

// steal gives a running job to somebody else.
func (f *fakeRedis) steal(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active[id].token = "another's"
}

// fakeListener blocks on the marker of a fakeRedis.
type fakeListener struct {
	redis  *fakeRedis
	closed chan struct{}
	once   sync.Once
}

func (f *fakeRedis) listener() listener { return &fakeListener{redis: f, closed: make(chan struct{})} }

var errClosed = errors.New("client is closed")

func (l *fakeListener) Wait(_ context.Context, timeout time.Duration) (bool, time.Time, error) {
	f := l.redis
	deadline := time.After(timeout)
	f.mu.Lock()
	f.waits++
	f.mu.Unlock()
	for {
		f.mu.Lock()
		if f.down {
			f.mu.Unlock()
			return false, time.Time{}, jobs.ErrUnavailable
		}
		for _, member := range []string{"0", "1"} {
			if score, ok := f.marker[member]; ok {
				delete(f.marker, member)
				f.mu.Unlock()
				if member == "0" {
					return true, time.Time{}, nil
				}
				return true, time.UnixMilli(int64(score)), nil
			}
		}
		woken := make(chan struct{})
		f.waiters = append(f.waiters, woken)
		f.mu.Unlock()
		select {
		case <-woken:
		case <-deadline:
			return false, time.Time{}, nil
		case <-l.closed:
			return false, time.Time{}, errClosed
		}
	}
}

func (l *fakeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (f *fakeRedis) count(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.stored[id])
}

func (f *fakeRedis) called() []settleCall {
	return locked(f, func() []settleCall { return slices.Clone(f.calls) })
}

func (f *fakeRedis) marked() bool {
	return locked(f, func() bool { _, set := f.marker["0"]; return set })
}

func (f *fakeRedis) kinds(id string) []broker.Kind {
	return locked(f, func() []broker.Kind { return slices.Clone(f.stored[id]) })
}

func (f *fakeRedis) running(id string) bool {
	return locked(f, func() bool { return f.active[id] != nil })
}

// locked reads under the lock.
func locked[T any](f *fakeRedis, read func() T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return read()
}

// story is a test in a bubble: a fake Redis, and a pool if start is called.
type story struct {
	testing.TB
	redis *fakeRedis
	pools []*Pool
	log   *ledger
}

// bubble runs a story on a clock of its own.
func bubble(t *testing.T, tell func(t *testing.T, s *story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &story{TB: t, redis: newFakeRedis(), log: &ledger{}}
		defer func() { // a story that ended early leaves nothing running
			for _, p := range s.pools {
				_ = p.WaitForCompletion(0)
			}
		}()
		tell(t, s)
	})
}

// start runs a pool whose jobs are handled by h.
func (s *story) start(o Options, h Handler) *Pool {
	s.Helper()
	p := s.newPool(o, h)
	if err := p.Start(); err != nil {
		s.Fatal(err)
	}
	return p
}

func (s *story) newPool(o Options, h Handler) *Pool {
	s.Helper()
	mux := NewMux()
	mux.Fallback(h)
	o.Name = "w"
	if o.OnAttempt == nil {
		o.OnAttempt = s.log.note
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(s.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	p, err := newPool("q", mux, s.redis, s.redis.listener, o)
	if err != nil {
		s.Fatal(err)
	}
	s.pools = append(s.pools, p)
	return p
}

// calm lets everything that is under way come to rest.
func (s *story) calm() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// end stops the pool and expects that nothing was left running.
func (s *story) end(p *Pool) {
	s.Helper()
	if err := p.WaitForCompletion(time.Minute); err != nil {
		s.Errorf("WaitForCompletion: %v", err)
	}
}

// ledger notes every attempt that ended.
type ledger struct {
	mu       sync.Mutex
	attempts []Attempt
}

func (l *ledger) note(a Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = append(l.attempts, a)
}

// statuses are the ends so far, as "id status", in order.
func (l *ledger) statuses() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, a := range l.attempts {
		all = append(all, a.Job.ID+" "+string(a.Status))
	}
	return all
}

func (l *ledger) last() Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[len(l.attempts)-1]
}

// job is a job with three attempts.
func job(id string) *jobs.Job {
	return &jobs.Job{ID: id, Queue: "q", Name: "work", Data: []byte(`{}`), Options: jobs.Options{Attempts: 3}, Timestamp: time.Now()}
}

func jobList(n int) []*jobs.Job {
	list := make([]*jobs.Job, n)
	for i := range list {
		list[i] = job(fmt.Sprintf("j%03d", i))
	}
	return list
}

// work is a handler that takes d, or as long as its context lets it.
func work(d time.Duration) Handler {
	return func(ctx context.Context, task *Task) (any, error) {
		select {
		case <-time.After(d):
			return "done", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
