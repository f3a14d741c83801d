package gates_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/worker"
)

// lockstep has as many handlers as a pool has slots wait for each other. The
// last to come returns, and the others when the call that it causes goes out: a
// call with one outcome and then calls with all others, which is the dearest way
// to finish so many jobs.
type lockstep struct {
	size int

	mu      sync.Mutex // guards the fields below
	inside  int        // handlers that have begun and not returned
	waiting int        // of those, the ones that wait to be let go
	full    bool       // the last has come and returned
	let     chan struct{}
}

func newLockstep(size int) *lockstep { return &lockstep{size: size, let: make(chan struct{})} }

func (l *lockstep) handle(ctx context.Context, _ *worker.Task) (any, error) {
	let, last := l.enter()
	defer l.leave(last)
	if last {
		return nil, nil
	}
	select {
	case <-let:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *lockstep) enter() (let <-chan struct{}, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside++
	if l.waiting == l.size-1 {
		return nil, true
	}
	l.waiting++
	return l.let, false
}

func (l *lockstep) leave(last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
	l.full = l.full || last
}

// quiet lets the others go when the last has left, and reports whether no
// handler is on its way out.
func (l *lockstep) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		close(l.let)
		l.full, l.waiting, l.let = false, 0, make(chan struct{})
	}
	return l.inside == l.waiting
}

// crowd is producers that add one job after the other.
type crowd struct {
	mu      sync.Mutex // guards the fields below
	present int        // producers with jobs left to add
	asking  int        // of those, the ones inside Add
}

func (c *crowd) change(present, asking int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.present += present
	c.asking += asking
}

// quiet reports whether every producer waits for an answer.
func (c *crowd) quiet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asking == c.present
}

// gathering is a go-redis hook that keeps a script call back until it is quiet:
// whatever can share the next call is there by then. It gives up after many
// looks, so that a client that works in another way fails by its cost and does
// not hang.
type gathering struct {
	quiet func() bool

	mu      sync.Mutex // guards scripts
	scripts map[string]bool
	two     chan struct{} // closed when two different scripts were answered
}

func newGathering(quiet func() bool) *gathering {
	return &gathering{quiet: quiet, scripts: map[string]bool{}, two: make(chan struct{})}
}

func (g *gathering) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gathering) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (g *gathering) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" {
			return next(ctx, cmd)
		}
		g.gather()
		err := next(ctx, cmd)
		g.note(fmt.Sprint(cmd.Args()[1]))
		return err
	}
}

func (g *gathering) note(script string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scripts[script] = true
	if len(g.scripts) == 2 {
		select {
		case <-g.two:
		default:
			close(g.two)
		}
	}
}

func (g *gathering) gather() {
	const looks, turns = 100_000, 50
	for range looks {
		if g.quiet() {
			break
		}
		runtime.Gosched()
	}
	for range turns { // from the handler's end to the exchange, from the call of Add to the queue
		runtime.Gosched()
	}
}
