package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// pipelined is how many calls of MaxBatch jobs go out before the first answer
// is awaited.
const pipelined = 20

// AddMany stores jobs in groups of MaxBatch, each group whole or not at all, in
// their order. After an error existed is as long as what is known to be stored;
// the groups behind may be stored too.
func (b *Broker) AddMany(ctx context.Context, jobs []NewJob) (existed []bool, err error) {
	for wave := range slices.Chunk(jobs, MaxBatch*pipelined) {
		answers, err := b.addWave(ctx, wave)
		existed = append(existed, answers...)
		if err != nil {
			return existed, err
		}
	}
	return existed, nil
}

// addWave sends its groups in one pipeline. A group whose answer is an error,
// or is lost, goes the slow way, which asks whether it had run.
func (b *Broker) addWave(ctx context.Context, wave []NewJob) (existed []bool, err error) {
	groups := slices.Collect(slices.Chunk(wave, MaxBatch))
	if len(groups) == 1 {
		return b.Add(ctx, wave)
	}
	started := time.Now()
	replies := make([]*redis.Cmd, len(groups))
	pipe, err := b.pipeline(ctx)
	if err != nil {
		return nil, err
	}
	for i, group := range groups {
		args := append([]any{b.keys.Base()}, b.addArgs(group)...)
		replies[i] = pipe.EvalSha(ctx, library()["add"].sha, b.keysOf(), args...)
	}
	confirmed := b.confirmIfAsked(ctx, pipe)
	_, _ = pipe.Exec(ctx) // each group's own error is looked at below
	doubt := confirmed()
	for i, group := range groups {
		answers, err := b.groupAnswer(ctx, replies[i], doubt, group, started)
		existed = append(existed, answers...)
		if err != nil {
			return existed, err
		}
	}
	return existed, nil
}

// groupAnswer reads a group's answer. doubt is why the groups that were stored
// may be lost again, nil when they will not be.
func (b *Broker) groupAnswer(ctx context.Context, reply *redis.Cmd, doubt error, group []NewJob, started time.Time) ([]bool, error) {
	value, err := reply.Result()
	if err == nil {
		err = doubt
	}
	if err == nil {
		return addAnswer(value, len(group))
	}
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return b.Add(ctx, group)
	}
	if err := meaning(err); !mayHaveRun(err) {
		return b.Add(ctx, group)
	}
	args := b.addArgs(group)
	args[1], args[2] = 1, elapsedSince(started)
	value, err = b.send(ctx, call{script: "add", replicated: true, args: args, resent: 1, elapsed: 2, began: started})
	if err != nil {
		return nil, err
	}
	return addAnswer(value, len(group))
}

func (b *Broker) addArgs(jobs []NewJob) []any {
	args := make([]any, 0, addHead+8*len(jobs))
	args = append(args, b.now, 0, 0)
	for i := range jobs {
		args = jobs[i].appendTo(args)
	}
	return args
}

func addAnswer(reply any, n int) ([]bool, error) {
	answers, err := codes(reply)
	if err != nil || len(answers) != n {
		return nil, fmt.Errorf("add: %d answers for %d jobs: %w", len(answers), n, err)
	}
	existed := make([]bool, n)
	for i, code := range answers {
		existed[i] = code == 1
	}
	return existed, nil
}
