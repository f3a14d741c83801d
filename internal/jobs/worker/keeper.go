package worker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// attempts is a set of them that slots and keeper share.
type attempts struct {
	mu  sync.Mutex
	set map[*attempt]struct{}
}

func (s *attempts) add(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[*attempt]struct{}{}
	}
	s.set[a] = struct{}{}
}

func (s *attempts) remove(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, a)
}

func (s *attempts) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set)
}

func (s *attempts) all() []*attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*attempt, 0, len(s.set))
	for a := range s.set {
		all = append(all, a)
	}
	return all
}

// renewBatch is how many locks one call renews at most.
const renewBatch = 500

// keepLocks renews the locks of jobs until their outcomes are stored, also while
// the pool stops: an outcome can be on its way for longer than the lock holds. A
// lock is renewed when a third of its time has passed, so two calls may fail
// before it runs out.
func (p *Pool) keepLocks() {
	ticker := time.NewTicker(p.options.LockDuration / 6)
	defer ticker.Stop()
	for {
		select {
		case <-p.upkeep.Done():
			return
		case <-ticker.C:
			for batch := range slices.Chunk(p.dueForRenewal(time.Now()), renewBatch) {
				p.renew(batch)
			}
		}
	}
}

func (p *Pool) dueForRenewal(now time.Time) []*attempt {
	return slices.DeleteFunc(p.held.all(), func(a *attempt) bool {
		return errors.Is(context.Cause(a.ctx), jobs.ErrLockLost) || now.Sub(a.renewed) < p.options.LockDuration/3
	})
}

// renew renews a batch. When Redis cannot be reached nothing is cancelled: the
// others cannot reach it either, and a lock that ran out while nobody took the
// job is renewed afterwards. Only an answer that the lock is another's ends a
// handler.
func (p *Pool) renew(batch []*attempt) {
	leases := make([]broker.Lease, len(batch))
	for i, a := range batch {
		leases[i] = a.lease()
	}
	ctx, cancel := context.WithTimeout(p.upkeep, p.options.LockDuration/3)
	defer cancel()
	sent := time.Now()
	results, err := p.broker.Renew(ctx, leases, p.options.LockDuration)
	if err != nil {
		if p.upkeep.Err() == nil {
			p.log.Warn("cannot renew locks", slog.Int("jobs", len(batch)), slog.Any("error", err))
		}
		return
	}
	if p.running.len() >= p.options.Concurrency {
		p.beat() // with every slot busy, nothing else would
	}
	for i, a := range batch {
		switch err := results[i]; {
		case err == nil:
			a.renewed = sent
			if !a.settled.Load() { // its end may have been stored since
				p.tellLease(a, sent.Add(p.options.LockDuration))
			}
		case errors.Is(err, jobs.ErrLockLost) && !a.settled.Load():
			p.log.Warn("lock lost, job is cancelled", slog.String("job_id", a.taken.ID), slog.Any("error", err))
			a.cancel(err)
		}
	}
}
