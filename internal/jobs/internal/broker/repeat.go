package broker

import (
	"context"
	"fmt"
	"time"
)

// Advance describes the next run of a job scheduler.
type Advance struct {
	Scheduler string
	JobID     string    // the run that was activated
	Next      time.Time // by the cron line; zero for an interval, which the script works out
	Every     time.Duration
	Offset    time.Duration
	Options   []byte // JSON object without jobId, delay, timestamp and prevMillis
	Priority  int
	LIFO      bool
}

// Advance creates the next run, unless the scheduler is gone or the run that
// was activated is not its pending one. It returns the next run's id, or "".
func (b *Broker) Advance(ctx context.Context, a Advance) (string, error) {
	next, push := "", "LPUSH"
	if !a.Next.IsZero() {
		next = fmt.Sprint(a.Next.UnixMilli())
	}
	if a.LIFO {
		push = "RPUSH"
	}
	open := a.Options[:len(a.Options)-1]
	reply, err := b.send(ctx, call{
		script: "advance",
		args: []any{b.now, a.Scheduler, a.JobID, next, optional(a.Every.Milliseconds()),
			a.Offset.Milliseconds(), open, a.Priority, push},
		resent: -1,
	})
	if err != nil {
		return "", err
	}
	id, ok := reply.(string)
	if !ok {
		return "", fmt.Errorf("advance: unexpected reply %T", reply)
	}
	return id, nil
}
