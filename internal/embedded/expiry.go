package embedded

import (
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const (
	// tick is how often time passes while no command does it.
	tick = 200 * time.Millisecond
	// minPause is the finest grain of time: two commands closer than this see
	// the same remaining times.
	minPause = 5 * time.Millisecond
	// share bounds the cost: one pass walks every key, so the next has to wait
	// this many times as long as the last one took. Expiry gets coarser with a
	// large keyspace instead of slowing it down.
	share = 20
)

// expiry tells miniredis how much time has passed.
type expiry struct {
	mini *miniredis.Miniredis
	done chan struct{}
	wait sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	last  time.Time  // up to when miniredis knows
	pause time.Duration
}

func newExpiry(mini *miniredis.Miniredis) *expiry {
	return &expiry{mini: mini, done: make(chan struct{}), last: time.Now(), pause: minPause}
}

func (e *expiry) start() { e.wait.Go(e.run) }

func (e *expiry) stop() {
	close(e.done)
	e.wait.Wait()
}

func (e *expiry) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-ticker.C:
			e.catchUp()
			e.nudge()
		}
	}
}

// catchUp lets the time pass that went by since the last call. It must not be
// called while miniredis runs a command: both take miniredis's lock.
func (e *expiry) catchUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	elapsed := now.Sub(e.last)
	if elapsed < e.pause {
		return
	}
	e.mini.FastForward(elapsed)
	e.last = now
	e.pause = max(minPause, share*time.Since(now))
}

// nudge makes every blocked command look again at whether its client is still
// there. Removing a key that nobody has is the cheapest thing that does so.
func (e *expiry) nudge() { e.mini.Del("") }
