package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// process is one life of a host: a pool with a way to the server of its own.
type process struct {
	world *world
	name  string
	lock  time.Duration
	link  *link
	conn  *redisconn.Conn
	pool  *worker.Pool

	dead bool // the ledger's
	died time.Time
}

func (w *world) process(name string, number uint64, slots int) (*process, error) {
	p := &process{world: w, name: name, lock: w.plan.lease, link: w.net.link(number, w.plan.losses)}
	conn, err := p.link.open()
	if err != nil {
		return nil, err
	}
	p.conn = conn
	mux := worker.NewMux()
	mux.Fallback(p.handle)
	p.pool, err = worker.New(conn, queueName, mux, worker.Options{
		Concurrency: slots, Name: name, LockDuration: w.plan.lease, SweepInterval: w.plan.sweep, RateLimit: w.plan.limit,
		OnLease:   func(l worker.Lease) { w.ledger.leased(p, l) },
		OnAttempt: func(a worker.Attempt) { w.ledger.ended(p, a) },
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, p.pool.Start()
}

// stop ends the process as on SIGTERM.
func (p *process) stop(patience time.Duration) error {
	p.pool.Stop()
	over := time.AfterFunc(patience, func() { p.world.ledger.gaveUp(p) })
	defer over.Stop()
	err := p.pool.WaitForCompletion(patience)
	if errors.Is(err, worker.ErrDeadline) {
		err = nil // it is what short patience means
	}
	return errors.Join(err, p.conn.Close())
}

// die ends the process from one moment to the next. What is left of it here
// cannot do anything any more; burying it is only for the books.
func (p *process) die(unplugged bool) {
	p.world.ledger.dies(p)
	p.link.kill(unplugged)
}

func (p *process) bury() error {
	p.link.bury()
	p.pool.Stop()
	err := p.pool.WaitForCompletion(0)
	if errors.Is(err, worker.ErrDeadline) {
		err = nil
	}
	return errors.Join(err, p.conn.Close())
}

// handle does what the plan says.
func (p *process) handle(ctx context.Context, task *worker.Task) (any, error) {
	job, err := p.world.job(task.Name)
	if err != nil {
		return nil, err
	}
	r, snoozed := p.world.ledger.begin(p, task)
	if snoozed < job.snoozes {
		p.world.ledger.end(r, true)
		return nil, jobs.Snooze(500*time.Millisecond, "not yet")
	}
	does := job.attempt(task.Attempt)
	defer p.world.ledger.end(r, false)
	if err := does.work(ctx); err != nil {
		return nil, err
	}
	return does.end(task.Attempt)
}

func (a attempt) work(ctx context.Context) error {
	timer := time.NewTimer(a.busy)
	defer timer.Stop()
	if a.deaf {
		<-timer.C
		return nil
	}
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a attempt) end(n int) (any, error) {
	failure := fmt.Errorf("attempt %d was to fail", n)
	switch a.how {
	case fails:
		return nil, failure
	case panics:
		panic(failure)
	case givesUp:
		return nil, jobs.Unrecoverable(failure)
	case asks:
		return nil, jobs.RetryAfter(failure, 300*time.Millisecond)
	}
	return n, nil
}
