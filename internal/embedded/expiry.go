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
	mini  *miniredis.Miniredis
	clock func() time.Time
	done  chan struct{}
	wait  sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	last  time.Time  // up to when miniredis knows
	pause time.Duration
}

// newExpiry counts the time by a clock, nil for the machine's, which miniredis
// follows by itself.
func newExpiry(mini *miniredis.Miniredis, clock func() time.Time) *expiry {
	e := &expiry{mini: mini, clock: time.Now, done: make(chan struct{}), pause: minPause}
	if clock != nil {
		e.clock = func() time.Time {
			now := clock()
			mini.SetTime(now)
			return now
		}
	}
	e.last = e.clock()
	return e
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
	now := e.clock()
	elapsed := now.Sub(e.last)
	if elapsed < e.pause {
		return
	}
	began := time.Now()
	e.mini.FastForward(elapsed)
	e.last = now
	e.pause = max(minPause, share*time.Since(began))
}

// nudge makes every blocked command look again at whether its client is still
// there. Removing a key that nobody has is the cheapest thing that does so.
func (e *expiry) nudge() { e.mini.Del("") }
