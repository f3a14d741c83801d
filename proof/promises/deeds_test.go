package promises_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// deed is something that a program does, of which one call of a script has its
// reply lost.
type deed struct {
	name   string
	script string
	skip   int // calls of the script whose replies come through before
	// given makes what is there before; nil is nothing.
	given func(context.Context, *desk) error
	// do is the deed, and returns what it was told.
	do func(context.Context, *desk) (any, error)
	// muted are events that may be told twice, or once more when a call of many
	// steps is sent again: they are for people and say nothing of a job.
	muted []string
}

func deeds() []deed {
	var all []deed
	for _, some := range [][]deed{addDeeds(), attemptDeeds(), keeperDeeds(), reportDeeds(), jobDeeds(), queueDeeds()} {
		all = append(all, some...)
	}
	return all
}

func addDeeds() []deed {
	add := func(o jobs.Options) func(context.Context, *desk) (any, error) {
		return func(ctx context.Context, d *desk) (any, error) {
			added, err := d.queue.Add(ctx, "work", 1, o)
			return added.Existed, err
		}
	}
	return []deed{
		{name: "add", script: "add", do: add(jobs.Options{ID: "a", Priority: jobs.Unprioritized})},
		{name: "add with a priority", script: "add", do: add(jobs.Options{ID: "a", Priority: jobs.High})},
		{name: "add for later", script: "add", do: add(jobs.Options{ID: "a", Delay: time.Hour})},
		{name: "add of one that is there", script: "add", given: stored("wait", "a"), do: add(jobs.Options{ID: "a"})},
	}
}

// attemptDeeds take jobs and end attempts.
func attemptDeeds() []deed {
	ending := func(name string, err error) deed {
		return deed{name: "an attempt that " + name, script: "settle", skip: 1, given: stored("wait", "a", "b"), do: func(ctx context.Context, d *desk) (any, error) {
			return d.work(ctx, worker.Options{}, 2, func(context.Context, *worker.Task) (any, error) { return "done", err })
		}}
	}
	taken := ending("begins", nil)
	taken.skip = 0
	return []deed{
		taken, ending("completes", nil), ending("fails for good", jobs.Unrecoverable(errors.New("no"))), ending("is tried again later", errors.New("not yet")),
		{name: "a suspect begins", script: "isolate", given: suspect, do: working(worker.Options{})},
		{name: "a scheduled job begins", script: "advance", given: scheduled, do: working(worker.Options{})},
	}
}

func working(o worker.Options) func(context.Context, *desk) (any, error) {
	return func(ctx context.Context, d *desk) (any, error) {
		return d.work(ctx, o, 1, func(context.Context, *worker.Task) (any, error) { return "done", nil })
	}
}

// keeperDeeds keep locks, and take back the jobs of the dead.
func keeperDeeds() []deed {
	quick := worker.Options{LockDuration: 600 * time.Millisecond, SweepInterval: 100 * time.Millisecond}
	return []deed{
		{name: "a lock is renewed", script: "renew", given: stored("wait", "a"), do: func(ctx context.Context, d *desk) (any, error) {
			renewed := make(chan struct{}, 64)
			o := quick
			o.OnLease = func(worker.Lease) { renewed <- struct{}{} }
			return d.work(ctx, o, 1, func(ctx context.Context, _ *worker.Task) (any, error) {
				for len(renewed) > 0 {
					<-renewed
				}
				select { // until the next renewal that was heard of, past the one that was not
				case <-d.lost:
				case <-ctx.Done():
				}
				select {
				case <-renewed:
				case <-ctx.Done():
				}
				return "done", context.Cause(ctx)
			})
		}},
		{name: "a job of the dead is marked", script: "sweep", given: orphan, do: working(quick)},
		{name: "a job of the dead is taken back", script: "sweep", skip: 1, given: orphan, do: working(quick)},
	}
}

// reportDeeds are what a running job tells.
func reportDeeds() []deed {
	return []deed{
		{name: "progress", script: "progress", given: stored("wait", "a"), do: func(ctx context.Context, d *desk) (any, error) {
			return d.work(ctx, worker.Options{}, 1, func(ctx context.Context, t *worker.Task) (any, error) { return "done", t.Progress(ctx, 50) })
		}},
		{name: "log", script: "log", given: stored("wait", "a"), do: func(ctx context.Context, d *desk) (any, error) {
			return d.work(ctx, worker.Options{}, 1, func(ctx context.Context, t *worker.Task) (any, error) { return "done", t.Log(ctx, "half way") })
		}},
	}
}

// jobDeeds are done to one job by hand.
func jobDeeds() []deed {
	plain := func(do func(context.Context, *desk) error) func(context.Context, *desk) (any, error) {
		return func(ctx context.Context, d *desk) (any, error) { return nil, do(ctx, d) }
	}
	return []deed{
		{name: "get", script: "get", given: stored("wait", "a"), do: func(ctx context.Context, d *desk) (any, error) {
			job, state, err := d.admin.Get(ctx, "a")
			if err != nil {
				return nil, err
			}
			return fmt.Sprint(job.ID, job.Name, state), nil
		}},
		{name: "retry", script: "retry", given: stored("failed", "a"), do: plain(func(ctx context.Context, d *desk) error {
			return d.admin.Retry(ctx, "a", admin.Retry{ResetAttempts: true})
		})},
		{name: "promote", script: "promote", given: stored("delayed", "a"), do: plain(func(ctx context.Context, d *desk) error { return d.admin.Promote(ctx, "a") })},
		{name: "remove", script: "remove", given: stored("wait", "a", "b"), do: plain(func(ctx context.Context, d *desk) error { return d.admin.Remove(ctx, "a", false) })},
		{name: "change delay", script: "change_delay", given: stored("delayed", "a"), muted: []string{"delayed"}, do: plain(func(ctx context.Context, d *desk) error {
			return d.admin.ChangeDelay(ctx, "a", time.Minute)
		})},
		{name: "change priority", script: "change_priority", given: stored("wait", "a", "b"), do: plain(func(ctx context.Context, d *desk) error {
			return d.admin.ChangePriority(ctx, "a", jobs.High, false)
		})},
		{name: "update data", script: "update_data", given: stored("wait", "a"), do: plain(func(ctx context.Context, d *desk) error {
			return d.admin.UpdateData(ctx, "a", "other")
		})},
	}
}

// queueDeeds are done to a whole queue by hand. What they count is lost with a
// reply, so what they say is left out.
func queueDeeds() []deed {
	plain := func(do func(context.Context, *desk) error) func(context.Context, *desk) (any, error) {
		return func(ctx context.Context, d *desk) (any, error) { return nil, do(ctx, d) }
	}
	return []deed{
		{name: "pause", script: "pause", given: stored("wait", "a"), do: plain(func(ctx context.Context, d *desk) error {
			_, err := d.admin.Pause(ctx)
			return err
		})},
		{name: "resume", script: "resume", given: paused("a", "b"), do: plain(func(ctx context.Context, d *desk) error { return d.admin.Resume(ctx) })},
		{name: "retry many", script: "retry_many", given: stored("failed", "a", "b"), do: plain(func(ctx context.Context, d *desk) error {
			_, err := d.admin.RetryMany(ctx, jobs.Failed, time.Time{})
			return err
		})},
		{name: "the time is asked for", script: "time", given: stored("completed", "a", "b"), muted: []string{"cleaned"}, do: plain(clean)},
		{name: "clean", script: "clean", given: stored("completed", "a", "b"), muted: []string{"cleaned"}, do: plain(clean)},
		{name: "a cleaning is told of", script: "cleaned", given: stored("completed", "a", "b"), muted: []string{"cleaned"}, do: plain(clean)},
		{name: "drain", script: "drain", given: stored("wait", "a", "b"), muted: []string{"drained"}, do: plain(func(ctx context.Context, d *desk) error {
			_, err := d.admin.Drain(ctx, true)
			return err
		})},
		{name: "obliterate", script: "obliterate", given: paused("a", "b"), do: plain(func(ctx context.Context, d *desk) error { return d.admin.Obliterate(ctx, false) })},
	}
}

func clean(ctx context.Context, d *desk) error {
	_, err := d.admin.Clean(ctx, jobs.Completed, 0, 10)
	return err
}

// stored puts plain jobs into one place, as a client that follows the format does.
func stored(place string, ids ...string) func(context.Context, *desk) error {
	return func(ctx context.Context, d *desk) error {
		pipe := d.client.Pipeline()
		for _, id := range ids {
			d.put(ctx, pipe, place, id, "opts", `{"attempts":2,"backoff":{"type":"fixed","delay":3600000}}`)
		}
		_, err := pipe.Exec(ctx)
		return err
	}
}

// put stores one job with further fields.
func (d *desk) put(ctx context.Context, pipe redis.Pipeliner, place, id string, fields ...any) {
	now := time.Now().UnixMilli()
	pipe.HSet(ctx, record().Key("meta"), "opts.maxLenEvents", 10_000)
	pipe.HSet(ctx, record().Key(id), append([]any{"name", "work", "data", "1", "timestamp", now, "delay", 0, "priority", 0}, fields...)...)
	switch place {
	case "completed", "failed":
		pipe.HSet(ctx, record().Key(id), "processedOn", now, "finishedOn", now, "ats", 1, "atm", 1)
		pipe.ZAdd(ctx, record().Key(place), redis.Z{Score: float64(now - 1000), Member: id})
	case "delayed":
		pipe.HSet(ctx, record().Key(id), "delay", 3_600_000)
		pipe.ZAdd(ctx, record().Key(place), redis.Z{Score: float64((now + 3_600_000) * 4096), Member: id})
	default:
		pipe.LPush(ctx, record().Key(place), id)
	}
}

// suspect is a job that was taken back from dead workers.
func suspect(ctx context.Context, d *desk) error {
	pipe := d.client.Pipeline()
	d.put(ctx, pipe, "wait", "a", "opts", `{"attempts":1}`, "stc", 2)
	_, err := pipe.Exec(ctx)
	return err
}

// orphan is a job whose worker is dead.
func orphan(ctx context.Context, d *desk) error {
	pipe := d.client.Pipeline()
	d.put(ctx, pipe, "active", "a", "opts", `{"attempts":1}`, "ats", 1, "pb", "dead")
	_, err := pipe.Exec(ctx)
	return err
}

// scheduled is the first run of a job scheduler that Node has set up.
func scheduled(ctx context.Context, d *desk) error {
	const run = 1_800_000_000_000
	pipe := d.client.Pipeline()
	pipe.ZAdd(ctx, record().Key("repeat"), redis.Z{Score: run, Member: "s"})
	pipe.HSet(ctx, record().Key("repeat:s"), "name", "work", "data", "1", "every", 3_600_000, "ic", 1)
	d.put(ctx, pipe, "wait", fmt.Sprint("repeat:s:", run), "rjk", "s", "opts", `{"attempts":1,"repeat":{"every":3600000,"count":1}}`)
	_, err := pipe.Exec(ctx)
	return err
}

// paused is a queue that was paused by the older client: its jobs are put aside.
func paused(ids ...string) func(context.Context, *desk) error {
	return func(ctx context.Context, d *desk) error {
		if err := stored("paused", ids...)(ctx, d); err != nil {
			return err
		}
		return d.client.HSet(ctx, record().Key("meta"), "paused", 1).Err()
	}
}
