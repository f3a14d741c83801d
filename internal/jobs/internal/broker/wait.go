package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Waiter blocks on a queue's marker. The client is the waiter's own, with one
// connection: a blocked connection serves nobody else, and closing it is the
// only way to end the wait early.
type Waiter struct {
	redis redis.UniversalClient
	key   string
}

// NewWaiter returns a waiter that owns client.
func NewWaiter(client redis.UniversalClient, keys wire.Keys) *Waiter {
	return &Waiter{redis: client, key: keys.Marker()}
}

// deafness is how much later than it promised the server may answer before the
// connection counts as dead.
const deafness = 2 * time.Second

// Wait returns when there may be work, or after at most timeout. due is the
// moment of the earliest delayed job when the marker told one, else zero.
//
//	marker "0"   something is available now
//	marker "1"   with the ms of the earliest delayed job; possibly a fraction
func (w *Waiter) Wait(ctx context.Context, timeout time.Duration) (woken bool, due time.Time, err error) {
	timeout = max(timeout, time.Millisecond)
	ctx, cancel := context.WithTimeout(ctx, timeout+deafness)
	defer cancel()
	seconds := strconv.FormatFloat(timeout.Seconds(), 'f', 3, 64)
	reply, err := w.redis.Do(ctx, "bzpopmin", w.key, seconds).Slice()
	if errors.Is(err, redis.Nil) {
		return false, time.Time{}, nil
	}
	if err != nil {
		return false, time.Time{}, fmt.Errorf("wait: %w", meaning(err))
	}
	if len(reply) != 3 {
		return false, time.Time{}, fmt.Errorf("wait: unexpected reply of %d parts", len(reply))
	}
	if reply[1] != "1" {
		return true, time.Time{}, nil
	}
	score, err := strconv.ParseFloat(fmt.Sprint(reply[2]), 64)
	if err != nil || math.IsNaN(score) {
		return true, time.Time{}, nil // whoever wrote that meant: look
	}
	return true, time.UnixMilli(int64(score)), nil
}

// Close ends a Wait under way.
func (w *Waiter) Close() error { return w.redis.Close() }
