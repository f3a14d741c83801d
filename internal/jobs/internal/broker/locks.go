package broker

import (
	"context"
	"fmt"
	"time"
)

// Lease is a job that this process runs.
type Lease struct {
	ID      string
	Token   string
	Started int // the job's AttemptsStarted, this attempt included
}

// Renew keeps leases for another lockFor, all in one call. The errors are per
// lease: nil is renewed, jobs.ErrLockLost is not ours any more.
func (b *Broker) Renew(ctx context.Context, leases []Lease, lockFor time.Duration) ([]error, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	args := make([]any, 0, 1+3*len(leases))
	args = append(args, lockFor.Milliseconds())
	for _, l := range leases {
		args = append(args, l.ID, l.Token, l.Started)
	}
	reply, err := b.send(ctx, call{script: "renew", args: args, resent: -1})
	if err != nil {
		return nil, err
	}
	answers, err := codes(reply)
	if err != nil || len(answers) != len(leases) {
		return nil, fmt.Errorf("renew: %d answers for %d leases: %w", len(answers), len(leases), err)
	}
	results := make([]error, len(leases))
	for i, code := range answers {
		results[i] = code.Err()
	}
	return results, nil
}

// SweepRule says how jobs of dead workers are given back.
type SweepRule struct {
	Gap      time.Duration // the least time between two sweeps of a queue, by whomever
	Interval time.Duration // the most
	Limit    int           // stalls after which a job fails, as in BullMQ; -1 is never
	Due      time.Time     // when the caller was told to come, as Swept.Due; zero if it was not
}

// Swept is the answer to one sweep.
type Swept struct {
	Recovered []string      // jobs given back
	Next      time.Duration // in how long to sweep again
	Due       time.Time     // when that is, by the server's clock; zero while nothing is active
}

// missed is the stamp of a sweep that was due long ago, and is late in any case:
// it could not be made in time, and others may not have reached Redis either.
const missed = 1

// Sweep gives back the jobs of workers that died, and says when to look next; the
// sweep after one that failed is late.
func (b *Broker) Sweep(ctx context.Context, rule SweepRule) (Swept, error) {
	reply, err := b.send(ctx, call{
		script: "sweep",
		keys:   []string{b.keys.Private() + "sweep", b.deathsKey(), b.startsKey("")},
		args:   []any{b.now, rule.Gap.Milliseconds(), rule.Interval.Milliseconds(), rule.Limit, stamp(rule.Due)},
		resent: -1,
		due:    4,
	})
	if err != nil {
		return Swept{Due: moment(missed)}, err
	}
	swept, err := readSwept(reply)
	if err != nil {
		return Swept{Due: moment(missed)}, fmt.Errorf("sweep: %w", err)
	}
	return swept, nil
}

func readSwept(reply any) (Swept, error) {
	parts, err := list(reply)
	if err != nil || len(parts) != 3 {
		return Swept{}, fmt.Errorf("unexpected reply of %d parts: %w", len(parts), err)
	}
	next, err := number(parts[0])
	if err != nil {
		return Swept{}, err
	}
	recovered, err := texts(parts[1])
	if err != nil {
		return Swept{}, err
	}
	due, err := number(parts[2])
	if err != nil {
		return Swept{}, err
	}
	return Swept{Recovered: recovered, Next: time.Duration(next) * time.Millisecond, Due: moment(due)}, nil
}

// stamp is a time as scripts know it: ms since 1970, and 0 for none.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(stamp int64) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return time.UnixMilli(stamp)
}

// suspectMemory is how long lone starts that killed their worker are remembered.
const suspectMemory = 7 * 24 * time.Hour

func (b *Broker) startsKey(id string) string { return b.keys.Private() + "alone:" + id }

func (b *Broker) deathsKey() string { return b.keys.Private() + "deaths" }

// Isolate notes that a suspect job starts alone in its process. alone is how many
// such starts before ended with the death of their worker, others how many
// workers of the queue died lately while they ran other jobs.
func (b *Broker) Isolate(ctx context.Context, id, token string) (alone, others int, err error) {
	reply, err := b.send(ctx, call{
		script: "isolate",
		keys:   []string{b.startsKey(id), b.deathsKey()},
		args:   []any{token, suspectMemory.Milliseconds()},
		resent: -1,
	})
	if err != nil {
		return 0, 0, err
	}
	answer, err := codes(reply)
	if err != nil || len(answer) != 2 {
		return 0, 0, fmt.Errorf("isolate: %d numbers: %w", len(answer), err)
	}
	return int(answer[0]), int(answer[1]), nil
}

// Acquit forgets the lone starts of a job: this one came to an end.
func (b *Broker) Acquit(ctx context.Context, id string) error {
	if err := b.redis.Del(ctx, b.startsKey(id)).Err(); err != nil {
		return fmt.Errorf("acquit %s: %w", id, meaning(err))
	}
	return nil
}
