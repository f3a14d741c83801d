package broker

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shortestPause = 25 * time.Millisecond
	longestPause  = 500 * time.Millisecond
)

// pauseBefore grows from 50 to 500 ms and is spread by half, so that the
// clients of a server that comes back do not arrive as one.
func pauseBefore(try int) time.Duration {
	d := min(2*shortestPause<<min(try, 5), longestPause)
	return d/2 + rand.N(d/2)
}

// allClear ends the pauses of calls that wait to be sent again when another one
// got through, so that after an outage nothing is late because it failed often:
// an outcome, say, whose job's lock ran out and that a sweep is about to take.
// The zero value is ready for use.
type allClear struct {
	awaited atomic.Bool // spares calls the lock while none waits

	mu     sync.Mutex
	signal chan struct{} // closed by the next call that gets through; nil while none waits
}

// sound says that a call got through.
func (c *allClear) sound() {
	if !c.awaited.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signal != nil {
		close(c.signal)
	}
	c.signal = nil
	c.awaited.Store(false)
}

// await waits for as long as was said, or from shortestPause on until the signal:
// a server that takes some calls and refuses others is not asked in a loop. The
// error is ctx's.
func (c *allClear) await(ctx context.Context, most time.Duration) error {
	signal := c.listen()
	if err := wait(ctx, min(shortestPause, most), nil); err != nil {
		return err
	}
	return wait(ctx, most-shortestPause, signal)
}

func (c *allClear) listen() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signal == nil {
		c.signal = make(chan struct{})
	}
	c.awaited.Store(true)
	return c.signal
}

func wait(ctx context.Context, most time.Duration, signal <-chan struct{}) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-signal:
	}
	return ctx.Err()
}
