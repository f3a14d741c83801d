package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// sweepGap is the least time between two sweeps of a queue.
const sweepGap = 500 * time.Millisecond

// sweep gives back the jobs of dead workers until the pool stops. All workers of
// a queue do it; each sweep tells when the next one is worth while.
func (p *Pool) sweep() {
	ctx := p.fetching
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(p.sweepOnce(ctx))
		}
	}
}

func (p *Pool) sweepOnce(ctx context.Context) time.Duration {
	call, cancel := context.WithTimeout(ctx, p.options.SweepInterval)
	defer cancel()
	next, recovered, err := p.broker.Sweep(call, p.sweepRule())
	if err != nil {
		if ctx.Err() == nil {
			p.log.Warn("cannot look for jobs of dead workers", slog.Any("error", err))
		}
		return sweepGap
	}
	p.counters.recovered.Add(int64(len(recovered)))
	for _, id := range recovered {
		p.log.Warn("job taken back from a dead worker", slog.String("job_id", id))
	}
	// Workers that share a queue should not all come at the same moment.
	return next + rand.N(sweepGap/10)
}

func (p *Pool) sweepRule() broker.SweepRule {
	limit := -1
	if p.options.StalledLimit > 0 {
		limit = p.options.StalledLimit
	}
	return broker.SweepRule{Gap: min(sweepGap, p.options.SweepInterval), Interval: p.options.SweepInterval, Limit: limit}
}
