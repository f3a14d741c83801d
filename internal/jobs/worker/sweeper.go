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
	var due time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			swept := p.sweepOnce(ctx, due)
			due = swept.Due
			timer.Reset(swept.Next)
		}
	}
}

// sweepOnce sweeps when it was told to, at due by the server's clock.
func (p *Pool) sweepOnce(ctx context.Context, due time.Time) broker.Swept {
	call, cancel := context.WithTimeout(ctx, p.options.SweepInterval)
	defer cancel()
	swept, err := p.broker.Sweep(call, p.sweepRule(due))
	if err != nil {
		if ctx.Err() == nil {
			p.log.Warn("cannot look for jobs of dead workers", slog.Any("error", err))
		}
		swept.Next = sweepGap
		return swept
	}
	p.counters.recovered.Add(int64(len(swept.Recovered)))
	for _, id := range swept.Recovered {
		p.log.Warn("job taken back from a dead worker", slog.String("job_id", id))
	}
	// Workers that share a queue should not all come at the same moment.
	swept.Next += rand.N(sweepGap / 10)
	return swept
}

func (p *Pool) sweepRule(due time.Time) broker.SweepRule {
	limit := -1
	if p.options.StalledLimit > 0 {
		limit = p.options.StalledLimit
	}
	return broker.SweepRule{
		Gap: min(sweepGap, p.options.SweepInterval), Interval: p.options.SweepInterval, Limit: limit, Due: due,
	}
}
