package parts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// Limits of a healthy queue.
const (
	MaxWaiting = 1000
	MaxFailed  = 100
)

// Counter reads the counts of one queue.
type Counter interface {
	Name() string
	Counts(ctx context.Context) (admin.Counts, error)
}

// Counters are all queues of the product, to be counted.
func Counters(conn *redisconn.Conn, prefix string) ([]Counter, error) {
	var queues []Counter
	for _, name := range Queues() {
		q, err := admin.New(conn, prefix, name)
		if err != nil {
			return nil, fmt.Errorf("queue %s: %w", name, err)
		}
		queues = append(queues, q)
	}
	return queues, nil
}

// JobQueueCheck is the check job-queue: healthy while every queue has fewer than
// MaxWaiting waiting and MaxFailed failed jobs. A Redis that cannot be reached
// fails it too. A backlog makes /health red and leaves /readyz alone: an API that
// turned away new jobs because old ones have failed would make matters worse.
func JobQueueCheck(queues []Counter) boot.Check {
	return boot.Check{Name: "job-queue", Required: true, Welcome: true, Func: func(ctx context.Context) error {
		var problems []error
		for _, q := range queues {
			problems = append(problems, queueProblem(ctx, q))
		}
		return errors.Join(problems...)
	}}
}

func queueProblem(ctx context.Context, q Counter) error {
	counts, err := q.Counts(ctx)
	switch {
	case err != nil:
		return err
	case counts.Waiting >= MaxWaiting:
		return fmt.Errorf("queue %s has %d waiting jobs, healthy is below %d", q.Name(), counts.Waiting, MaxWaiting)
	case counts.Failed >= MaxFailed:
		return fmt.Errorf("queue %s has %d failed jobs, healthy is below %d", q.Name(), counts.Failed, MaxFailed)
	}
	return nil
}

// RedisCheck is the check redis of a program that accepts no jobs: it is not ready
// while Redis does not answer. That is no reason to restart it.
func RedisCheck(conn *redisconn.Conn) boot.Check {
	return boot.Check{Name: "redis", Required: true, Func: func(ctx context.Context) error { return answers(ctx, conn) }}
}

func answers(ctx context.Context, conn *redisconn.Conn) error {
	if err := conn.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis does not answer: %w", err)
	}
	return nil
}

// pinger is something that can be asked whether it is there.
type pinger interface {
	Ping(ctx context.Context) error
}

// DatabaseCheck is the check database.
func DatabaseCheck(db pinger) boot.Check {
	return boot.Check{Name: "database", Required: true, Func: db.Ping}
}

// StorageCheck is the check storage: only files need it, so it does not make a
// service unready.
func StorageCheck(check func(context.Context) error) boot.Check {
	return boot.Check{Name: "storage", Timeout: 5 * time.Second, Func: check}
}

// Consumer is a pool that shows whether it still hears from Redis.
type Consumer interface {
	Queue() string
	LastPulse() time.Time
}

// deaf is how long a pool may hear nothing while work waits. A rate limit may
// keep it silent for half of that.
const deaf = time.Minute

// countFor is how long Redis has to count what waits: less than a check may take,
// so that a Redis that hangs is known for one before the check has failed.
const countFor = time.Second

// ConsumptionCheck is the check consumption. It is about liveness: work is there,
// and this process has not asked for any for a while, so a restart would help. A
// Redis that is away or hangs is not the process's fault, and a restart would lose
// the outcomes that the process keeps for it.
func ConsumptionCheck(pools []Consumer, queues map[string]Counter) boot.Check {
	return boot.Check{Name: "consumption", Required: true, Live: true, Func: func(ctx context.Context) error {
		counting, cancel := context.WithTimeout(ctx, countFor) // of all queues together
		defer cancel()
		var problems []error
		for _, p := range pools {
			if silence := time.Since(p.LastPulse()); silence > deaf && hasWork(counting, queues[p.Queue()]) {
				problems = append(problems, fmt.Errorf("pool of queue %s has been deaf for %s while work waits", p.Queue(), silence.Round(time.Second)))
			}
		}
		return errors.Join(problems...)
	}}
}

func hasWork(ctx context.Context, q Counter) bool {
	counts, err := q.Counts(ctx)
	if err != nil {
		return false
	}
	return counts.Waiting > 0 && !counts.Paused
}
