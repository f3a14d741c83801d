package worker

import (
	"sync/atomic"

	"github.com/tandemq/tandem/internal/jobs"
)

// keptEvery is how many ends share one look at what is to be removed, where the
// pool keeps a hundred times as many jobs or more: at most one per cent too many
// are there for a moment, and most calls have two commands less.
const keptEvery = 64

// kept is which finished jobs of one kind stay.
type kept struct {
	policy *jobs.Retention
	ends   atomic.Uint64
}

// of is the retention that the end of a job carries: its own, or now and then
// the pool's. Nil keeps what is there.
func (k *kept) of(own *jobs.Retention) *jobs.Retention {
	if own != nil {
		return own
	}
	if k.policy.None || k.policy.Count < 100*keptEvery || k.ends.Add(1)%keptEvery == 0 {
		return k.policy
	}
	return nil
}
