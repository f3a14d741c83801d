package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Get returns a job and its state, both of one moment. A record that breaks the
// format comes with what could be read of it, and an error that is not
// jobs.ErrNotFound.
func (b *Broker) Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error) {
	reply, err := b.send(ctx, call{script: "get", args: []any{id}, resent: -1})
	if err != nil {
		return nil, jobs.Unknown, err
	}
	parts, err := list(reply)
	if err != nil {
		return nil, jobs.Unknown, fmt.Errorf("get: %w", err)
	}
	if len(parts) != 2 {
		return nil, jobs.Unknown, fmt.Errorf("get %s: %w", id, jobs.ErrNotFound)
	}
	state, _ := parts[0].(string)
	fields, err := hash(parts[1])
	if err != nil {
		return nil, jobs.Unknown, fmt.Errorf("get %s: %w", id, err)
	}
	job, err := b.decoder.DecodeJob(b.keys.Queue(), id, fields)
	if err != nil {
		return job, jobs.State(state), fmt.Errorf("stored job %s is corrupt: %w", id, err)
	}
	return job, jobs.State(state), nil
}

// Counts is how many jobs are in each state; each is read in O(1).
type Counts struct {
	Waiting         int64 // in the wait list, and in BullMQ 5's paused list
	Prioritized     int64
	Active          int64
	Delayed         int64
	WaitingChildren int64
	Completed       int64
	Failed          int64
	Paused          bool
	OldestWaiting   time.Time // when the job that has stood in line longest came there; zero without any
}

// Counts reads all counts as they are at one moment, so that a job on its way
// from place to place is counted once, and the age of the head of the line after
// that when there is a line.
func (b *Broker) Counts(ctx context.Context) (Counts, error) {
	pipe := b.redis.TxPipeline()
	wait, aside := pipe.LLen(ctx, b.keys.Wait()), pipe.LLen(ctx, b.keys.LegacyPaused())
	active := pipe.LLen(ctx, b.keys.Active())
	prioritized := pipe.ZCard(ctx, b.keys.Prioritized())
	delayed, children := pipe.ZCard(ctx, b.keys.Delayed()), pipe.ZCard(ctx, b.keys.WaitingChildren())
	completed, failed := pipe.ZCard(ctx, b.keys.Completed()), pipe.ZCard(ctx, b.keys.Failed())
	paused := pipe.HExists(ctx, b.keys.Meta(), "paused")
	nextInLine := pipe.LIndex(ctx, b.keys.Wait(), -1)
	nextRanked := pipe.ZRange(ctx, b.keys.Prioritized(), 0, 0)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Counts{}, fmt.Errorf("counts: %w", meaning(err))
	}
	counts := Counts{
		Waiting: wait.Val() + aside.Val(), Prioritized: prioritized.Val(), Active: active.Val(),
		Delayed: delayed.Val(), WaitingChildren: children.Val(),
		Completed: completed.Val(), Failed: failed.Val(), Paused: paused.Val(),
	}
	heads := nextRanked.Val()
	if id := nextInLine.Val(); id != "" {
		heads = append(heads, id)
	}
	oldest, err := b.oldest(ctx, heads)
	counts.OldestWaiting = oldest
	return counts, err
}

func (b *Broker) oldest(ctx context.Context, ids []string) (time.Time, error) {
	var oldest time.Time
	for _, id := range ids {
		fields, err := b.redis.HMGet(ctx, b.keys.Job(id), "timestamp", "opts", "atm", "processedOn").Result()
		if err != nil {
			return oldest, fmt.Errorf("counts: %w", meaning(err))
		}
		if at, ok := inLineSince(fields); ok && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest, nil
}

// inLineSince tells from a job's stamp, options, attempts and latest start when it
// came into line: when it was added and its delay was over, or when its latest
// attempt had begun and its backoff was over. A record without a usable stamp has
// no age, and neither has one that was removed in the meantime.
func inLineSince(fields []any) (at time.Time, ok bool) {
	text := make([]string, len(fields))
	for i, field := range fields {
		text[i], _ = field.(string)
	}
	added, err := strconv.ParseInt(text[0], 10, 64)
	if err != nil {
		return at, false
	}
	options, err := wire.DecodeOptions([]byte(text[1]))
	if err != nil {
		options = jobs.Options{} // the worker that takes it says what is wrong
	}
	at = time.UnixMilli(added).Add(options.Delay)
	made, noCount := strconv.Atoi(text[2])
	began, noStart := strconv.ParseInt(text[3], 10, 64)
	if noCount == nil && noStart == nil && made > 0 {
		at = time.UnixMilli(began).Add(options.Backoff.After(made, 1))
	}
	return at, true
}

// Page returns up to limit jobs of a state, passing over offset, in the order
// in which they would run; of finished ones the newest first. Ids without a
// hash are left out, and more says whether another page follows.
func (b *Broker) Page(ctx context.Context, state jobs.State, offset, limit int) (page []*jobs.Job, more bool, err error) {
	ids, err := b.pageIDs(ctx, state, int64(offset), int64(limit)+1)
	if err != nil {
		return nil, false, fmt.Errorf("page of %s: %w", state, meaning(err))
	}
	if len(ids) > limit {
		ids, more = ids[:limit], true
	}
	pipe := b.redis.Pipeline()
	hashes := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		hashes[i] = pipe.HGetAll(ctx, b.keys.Job(id))
	}
	if len(ids) > 0 {
		if _, err := pipe.Exec(ctx); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return nil, false, fmt.Errorf("page of %s: %w", state, meaning(err))
		}
	}
	for i, id := range ids {
		if fields := hashes[i].Val(); len(fields) > 0 {
			// A corrupt record is shown as far as it can be read: a page with one
			// bad job must not hide the others.
			job, _ := b.decoder.DecodeJob(b.keys.Queue(), id, fields)
			page = append(page, job)
		}
	}
	return page, more, nil
}

func (b *Broker) pageIDs(ctx context.Context, state jobs.State, offset, n int64) ([]string, error) {
	switch state {
	case jobs.Waiting:
		return b.listTail(ctx, b.keys.Wait(), offset, n)
	case jobs.Active:
		return b.listTail(ctx, b.keys.Active(), offset, n)
	case jobs.Prioritized:
		return b.redis.ZRange(ctx, b.keys.Prioritized(), offset, offset+n-1).Result()
	case jobs.Delayed:
		return b.redis.ZRange(ctx, b.keys.Delayed(), offset, offset+n-1).Result()
	case jobs.WaitingChildren:
		return b.redis.ZRange(ctx, b.keys.WaitingChildren(), offset, offset+n-1).Result()
	case jobs.Completed:
		return b.redis.ZRevRange(ctx, b.keys.Completed(), offset, offset+n-1).Result()
	case jobs.Failed:
		return b.redis.ZRevRange(ctx, b.keys.Failed(), offset, offset+n-1).Result()
	default:
		return nil, jobs.Invalid("status", "must be one of %v", jobs.States())
	}
}

// listTail reads a list from its right end, which runs first.
func (b *Broker) listTail(ctx context.Context, key string, offset, n int64) ([]string, error) {
	ids, err := b.redis.LRange(ctx, key, -offset-n, -offset-1).Result()
	for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
		ids[i], ids[j] = ids[j], ids[i]
	}
	return ids, err
}

// Logs returns a job's log lines from offset on, the oldest first, and how many
// there are in all.
func (b *Broker) Logs(ctx context.Context, id string, offset, limit int) (lines []string, total int64, err error) {
	pipe := b.redis.Pipeline()
	rows := pipe.LRange(ctx, b.keys.Logs(id), int64(offset), int64(offset+limit-1))
	length := pipe.LLen(ctx, b.keys.Logs(id))
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, fmt.Errorf("logs of %s: %w", id, meaning(err))
	}
	return rows.Val(), length.Val(), nil
}
