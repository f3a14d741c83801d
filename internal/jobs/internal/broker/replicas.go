package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
)

// Replication asks that replicas have a job before its add succeeds. The zero
// value leaves that to the primary.
type Replication struct {
	Replicas int           // how many have to acknowledge
	Timeout  time.Duration // how long to wait for them in one call
	Primary  Primary
}

// Primary finds the server that holds a key, so that a call and the wait for
// its replication reach the same one, on one connection.
type Primary interface {
	PrimaryOf(ctx context.Context, key string) (*redis.Client, error)
	Moved(ctx context.Context) // a key was not where PrimaryOf said
}

// Replicated is the same broker with adds that wait for replicas.
func (b *Broker) Replicated(r Replication) *Broker {
	replicated := *b
	replicated.replication = r
	return &replicated
}

// confirmation is the end of a pipeline: a write, and the wait until replicas
// have it. WAIT looks at the last write of its connection only. An add that
// finds its job stored writes nothing, though the replicas may never have heard
// of that job; so there is always a write of ours behind it, and whoever has
// that one has all before it.
//
// A primary that was cut off from its replicas and replaced behind its own back
// still takes writes; it is the wait that fails there.
type confirmation struct {
	replicas int
	reply    *redis.Cmd
}

func (b *Broker) confirm(ctx context.Context, pipe redis.Pipeliner) confirmation {
	pipe.Set(ctx, b.keys.Private()+"fence", "", 0)
	ms := max(1, waitFor(ctx, b.replication.Timeout).Milliseconds()) // 0 would be for ever
	return confirmation{b.replication.Replicas, pipe.Do(ctx, "wait", b.replication.Replicas, ms)}
}

// confirmIfAsked is confirm for adds that may not have to wait; the function it
// returns is for after the pipeline.
func (b *Broker) confirmIfAsked(ctx context.Context, pipe redis.Pipeliner) (doubt func() error) {
	if b.replication.Replicas == 0 {
		return func() error { return nil }
	}
	return b.confirm(ctx, pipe).err
}

// waitFor leaves the answer a moment to arrive before the caller's time is up.
func waitFor(ctx context.Context, timeout time.Duration) time.Duration {
	const travel = 50 * time.Millisecond
	if deadline, ok := ctx.Deadline(); ok {
		return min(timeout, time.Until(deadline)-travel)
	}
	return timeout
}

// err is a lostError when too few replicas answered, or nobody knows: the job is
// stored, may be lost yet, and is to be sent again.
func (c confirmation) err() error {
	have, err := c.reply.Int()
	switch {
	case err != nil:
		return &lostError{fmt.Errorf("wait for replicas: %w", err)}
	case have < c.replicas:
		return &lostError{fmt.Errorf("%w: %d of %d have it", jobs.ErrNotReplicated, have, c.replicas)}
	}
	return nil
}

// evalReplicated runs a script and waits for replicas, in one round trip.
func (b *Broker) evalReplicated(ctx context.Context, s *script, keys []string, args []any) (any, error) {
	reply, err := b.evalConfirmed(ctx, func(pipe redis.Pipeliner) *redis.Cmd { return pipe.EvalSha(ctx, s.sha, keys, args...) })
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = b.evalConfirmed(ctx, func(pipe redis.Pipeliner) *redis.Cmd { return pipe.Eval(ctx, s.text, keys, args...) })
	}
	return reply, err
}

func (b *Broker) evalConfirmed(ctx context.Context, eval func(redis.Pipeliner) *redis.Cmd) (any, error) {
	pipe, err := b.pipeline(ctx)
	if err != nil {
		return nil, err
	}
	call := eval(pipe)
	confirmed := b.confirm(ctx, pipe)
	_, _ = pipe.Exec(ctx) // each command's own error is looked at
	reply, err := call.Result()
	b.heed(ctx, err)
	if err == nil {
		err = confirmed.err()
	}
	return reply, err
}

// pipeline goes to one server on one connection when replicas are waited for.
func (b *Broker) pipeline(ctx context.Context) (redis.Pipeliner, error) {
	if b.replication.Replicas == 0 {
		return b.redis.Pipeline(), nil
	}
	primary, err := b.replication.Primary.PrimaryOf(ctx, b.keys.Meta())
	if err != nil {
		return nil, &lostError{fmt.Errorf("find the primary: %w", err)}
	}
	return primary.Pipeline(), nil
}

// heed passes on that a slot has another owner: calls that choose their server
// themselves do it for the client.
func (b *Broker) heed(ctx context.Context, err error) {
	if err != nil && (redis.HasErrorPrefix(err, "MOVED") || isNetwork(err)) {
		b.replication.Primary.Moved(ctx)
	}
}
