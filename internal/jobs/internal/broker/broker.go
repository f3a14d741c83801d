package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Broker speaks to Redis about one queue. It holds nothing of the queue's state
// and may be used by many goroutines.
type Broker struct {
	redis   redis.UniversalClient
	keys    wire.Keys
	now     int64 // ms that the scripts take for the present; 0 is the server's clock
	decoder *wire.Decoder
	through *allClear

	replication Replication
}

// New returns a broker for the queue with these keys.
func New(client redis.UniversalClient, keys wire.Keys) *Broker {
	return &Broker{redis: client, keys: keys, decoder: &wire.Decoder{}, through: &allClear{}}
}

// At is the same broker at a fixed moment, for tests that want every score and
// stamp to be known.
func (b *Broker) At(now time.Time) *Broker {
	at := *b
	at.now = now.UnixMilli()
	return &at
}

// Keys are the names of the queue's keys.
func (b *Broker) Keys() wire.Keys { return b.keys }

// call is one script call that can be sent again.
type call struct {
	script  string
	keys    []string  // beside meta, which is always the first
	args    []any     // behind base, which is always the first
	resent  int       // index in args of the number of sendings whose replies were lost; -1 without
	elapsed int       // index in args of the ms since the first sending, for a call sent again; 0 without
	due     int       // index in args of when the call was due, which is long ago for a call sent again; 0 without
	began   time.Time // when the first sending left, if not now

	replicated bool // it ends well only when replicas have what it wrote
}

// send runs a script. When Redis cannot be reached or refuses for now, it sends
// the same call again, 50 to 500 ms apart or as soon as another call got through,
// until ctx ends; the error is then jobs.ErrUnavailable with the last cause that
// says more than that time was up, and ctx's.
func (b *Broker) send(ctx context.Context, c call) (any, error) {
	s := library()[c.script]
	keys := b.keysOf(c.keys...)
	args := append([]any{b.keys.Base()}, c.args...)
	var refused error // why an earlier sending failed
	began := c.began
	if began.IsZero() {
		began = time.Now()
	}
	for try := 0; ; try++ {
		reply, err := b.run(ctx, c, s, keys, args)
		if err == nil {
			b.through.sound()
			return reply, nil
		}
		err = meaning(err)
		if !errors.Is(err, jobs.ErrUnavailable) {
			return nil, fmt.Errorf("%s: %w", c.script, err)
		}
		if refused == nil || !isTimeout(err) {
			refused = err
		}
		if mayHaveRun(err) && c.resent >= 0 {
			args[c.resent+1] = try + 1
			if c.elapsed > 0 {
				args[c.elapsed+1] = elapsedSince(began)
			}
		}
		if c.due > 0 {
			args[c.due+1] = missed
		}
		if b.through.await(ctx, pauseBefore(try)) != nil {
			return nil, fmt.Errorf("%s: %w (%w)", c.script, refused, context.Cause(ctx))
		}
	}
}

// keysOf are the keys that a call names: the first one names the slot. On a
// Cluster the last one never exists. While a slot moves, key by key, a script
// could find some of the keys gone and stop half way; but Redis refuses a call
// with TRYAGAIN before it begins when one of the keys that it names is missing.
func (b *Broker) keysOf(more ...string) []string {
	keys := append([]string{b.keys.Meta()}, more...)
	if b.keys.HashTag() != "" {
		keys = append(keys, b.keys.Private()+"unmoved")
	}
	return keys
}

// elapsedSince is how long ago, in ms, a call was sent at most: a server whose
// clock was put forward meanwhile thinks that it is longer.
func elapsedSince(began time.Time) int64 { return (time.Since(began) + 5*time.Second).Milliseconds() }

func (b *Broker) run(ctx context.Context, c call, s *script, keys []string, args []any) (any, error) {
	if c.replicated && b.replication.Replicas > 0 {
		return b.evalReplicated(ctx, s, keys, args)
	}
	return b.eval(ctx, s, keys, args)
}

// eval runs a script by its hash, and by its source when the server does not
// know it (yet, or any more): a refusal, so nothing is sent twice.
func (b *Broker) eval(ctx context.Context, s *script, keys []string, args []any) (any, error) {
	reply, err := b.redis.EvalSha(ctx, s.sha, keys, args...).Result()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = b.redis.Eval(ctx, s.text, keys, args...).Result()
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return reply, err
}
