package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// UpdateData replaces a job's payload.
func (b *Broker) UpdateData(ctx context.Context, id string, data []byte) error {
	_, err := b.code(ctx, call{script: "update_data", args: []any{id, data}, resent: -1})
	return err
}

// Reset says which counters a retry by hand starts anew.
type Reset struct {
	Made    bool // attempts made
	Started bool // attempts started
}

func (r Reset) text() string {
	var names []string
	if r.Made {
		names = append(names, "atm")
	}
	if r.Started {
		names = append(names, "ats")
	}
	return strings.Join(names, " ")
}

func side(front bool) string {
	if front {
		return "RPUSH"
	}
	return "LPUSH"
}

// Retry runs a finished job again; front puts it at the head of the line.
func (b *Broker) Retry(ctx context.Context, id string, from jobs.State, reset Reset, front bool) error {
	_, err := b.code(ctx, call{
		script: "retry", args: []any{b.now, 0, 0, id, string(from), reset.text(), side(front)}, resent: 1, elapsed: 2,
	})
	return err
}

// Now is the moment by the server's clock, which has stamped the jobs.
func (b *Broker) Now(ctx context.Context) (time.Time, error) {
	ms, err := b.code(ctx, call{script: "time", args: []any{b.now}, resent: -1})
	return time.UnixMilli(int64(ms)), err
}

// RetryMany moves up to count jobs of a state to where they wait and returns
// how many it moved; until, when not zero, spares what finished later.
func (b *Broker) RetryMany(ctx context.Context, from jobs.State, until time.Time, count int) (int, error) {
	bound := ""
	if !until.IsZero() {
		bound = fmt.Sprint(until.UnixMilli())
	}
	return b.code(ctx, call{script: "retry_many", args: []any{b.now, string(from), bound, count}, resent: -1})
}

// Promote lets a delayed job run now.
func (b *Broker) Promote(ctx context.Context, id string) error {
	_, err := b.code(ctx, call{script: "promote", args: []any{0, 0, id}, resent: 0, elapsed: 1})
	return err
}

// ChangeDelay puts a delayed job off anew, from now.
func (b *Broker) ChangeDelay(ctx context.Context, id string, delay time.Duration) error {
	_, err := b.code(ctx, call{
		script: "change_delay", args: []any{b.now, 0, 0, id, delay.Milliseconds()}, resent: 1, elapsed: 2,
	})
	return err
}

// ChangePriority gives a job another priority, 0 for the wait list.
func (b *Broker) ChangePriority(ctx context.Context, id string, priority int, front bool) error {
	_, err := b.code(ctx, call{script: "change_priority", args: []any{id, priority, side(front)}, resent: -1})
	return err
}

// Remove deletes a job, and with children the jobs below it in its flow, those
// first. One that is being worked on ends it; what was removed before stays so.
func (b *Broker) Remove(ctx context.Context, id string, children bool) error {
	flag := 0
	if children {
		flag = 1
	}
	for {
		more, err := b.code(ctx, call{script: "remove", args: []any{b.now, 0, id, flag}, resent: 1})
		if err != nil || more == 0 {
			return err
		}
	}
}

// Pause stops the queue and reports whether it was running.
func (b *Broker) Pause(ctx context.Context) (changed bool, err error) {
	n, err := b.code(ctx, call{script: "pause", resent: -1})
	return n == 1, err
}

// Resume starts the queue again, all of what BullMQ 5 put aside included.
func (b *Broker) Resume(ctx context.Context) error {
	for {
		if more, err := b.code(ctx, call{script: "resume", resent: -1}); err != nil || more == 0 {
			return err
		}
	}
}

// Drain removes waiting jobs, and on request delayed ones, and returns how many.
func (b *Broker) Drain(ctx context.Context, delayed bool) (removed int, err error) {
	places := []string{"wait", "paused", "prioritized"}
	if delayed {
		places = append(places, "delayed")
	}
	for _, place := range places {
		n, err := b.drainPlace(ctx, place)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (b *Broker) drainPlace(ctx context.Context, place string) (removed int, err error) {
	for offset := 0; ; {
		reply, err := b.send(ctx, call{script: "drain", args: []any{b.now, place, offset}, resent: -1})
		if err != nil {
			return removed, err
		}
		answers, err := codes(reply)
		if err != nil || len(answers) != 2 {
			return removed, fmt.Errorf("drain: unexpected reply %v: %w", reply, err)
		}
		if answers[0]+answers[1] == 0 {
			return removed, nil
		}
		removed += int(answers[0])
		offset += int(answers[1])
	}
}

// cleanable maps states to the names of the keys that hold them.
var cleanable = map[jobs.State]string{
	jobs.Waiting: "wait", jobs.Active: "active", jobs.Delayed: "delayed",
	jobs.Prioritized: "prioritized", jobs.Completed: "completed", jobs.Failed: "failed",
}

// cleanStep is how many jobs one call of clean looks at.
const cleanStep = 100

// Clean removes up to limit jobs of a state that are older than cutoff, and
// returns their ids. limit 0 is all.
func (b *Broker) Clean(ctx context.Context, state jobs.State, cutoff time.Time, limit int) ([]string, error) {
	key, ok := cleanable[state]
	if !ok {
		return nil, jobs.Invalid("status", "%s jobs cannot be cleaned", state)
	}
	var removed []string
	for offset := 0; limit == 0 || len(removed) < limit; {
		step := cleanStep
		if limit > 0 {
			step = min(step, limit-len(removed))
		}
		ids, passed, err := b.cleanOnce(ctx, key, cutoff, step, offset)
		removed = append(removed, ids...)
		if err != nil {
			return removed, err
		}
		if len(ids)+passed == 0 {
			break
		}
		offset += passed
	}
	_, err := b.code(ctx, call{script: "cleaned", args: []any{len(removed)}, resent: -1})
	return removed, err
}

func (b *Broker) cleanOnce(ctx context.Context, key string, cutoff time.Time, limit, offset int) ([]string, int, error) {
	reply, err := b.send(ctx, call{
		script: "clean", args: []any{b.now, key, cutoff.UnixMilli(), limit, offset}, resent: -1,
	})
	if err != nil {
		return nil, 0, err
	}
	parts, err := list(reply)
	if err != nil || len(parts) != 2 {
		return nil, 0, fmt.Errorf("clean: unexpected reply of %d parts: %w", len(parts), err)
	}
	ids, err := texts(parts[0])
	if err != nil {
		return nil, 0, fmt.Errorf("clean: %w", err)
	}
	passed, err := number(parts[1])
	return ids, int(passed), err
}

// Obliterate removes a paused queue with everything in it; force does so while
// jobs are active.
func (b *Broker) Obliterate(ctx context.Context, force bool) error {
	flag := 0
	if force {
		flag = 1
	}
	for {
		more, err := b.code(ctx, call{script: "obliterate", args: []any{b.now, flag}, resent: -1})
		if err != nil || more == 0 {
			return err
		}
	}
}
