package promises_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/proof/inject"
)

// producer adds jobs from many goroutines, as an API under load does, and keeps
// the id of every job that was acknowledged.
type producer struct {
	acked atomic.Int64
	pause time.Duration // between two adds of one goroutine
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	ids    []string
	failed []error
}

// record is the queue that every experiment uses.
func record() inject.Record { return inject.Record{Prefix: "{proof}", Queue: "q"} }

func open(t *testing.T, o redisconn.Options) *redisconn.Conn {
	t.Helper()
	conn, err := redisconn.Open(o)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

func newQueue(t *testing.T, conn *redisconn.Conn) *queue.Queue {
	t.Helper()
	q, err := queue.New(conn, record().Queue, queue.Options{Prefix: record().Prefix})
	must(t, err)
	t.Cleanup(q.Close)
	return q
}

// produce begins to add to each of the queues with so many goroutines. A request
// that fails is a refusal: its client would hear 503, and nothing was promised.
func produce(t *testing.T, goroutines int, queues ...*queue.Queue) *producer {
	t.Helper()
	return producePaced(t, 0, goroutines, queues...)
}

// producePaced lets each goroutine pause between two adds.
func producePaced(t *testing.T, pause time.Duration, goroutines int, queues ...*queue.Queue) *producer {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &producer{stop: stop, pause: pause}
	for _, q := range queues {
		for range goroutines {
			p.done.Go(func() { p.run(ctx, q) })
		}
	}
	t.Cleanup(p.end)
	return p
}

func (p *producer) run(ctx context.Context, q *queue.Queue) {
	for ctx.Err() == nil {
		request, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		added, err := q.Add(request, "work", json1, jobs.Options{})
		cancel()
		p.note(added.ID, err)
		if p.pause > 0 {
			_ = wait(ctx, p.pause) // the loop ends with the context
		}
	}
}

func (p *producer) note(id string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed = append(p.failed, err)
		return
	}
	p.ids = append(p.ids, id)
	p.acked.Add(1)
}

// end stops adding. It may be called twice.
func (p *producer) end() {
	p.stop()
	p.done.Wait()
}

// more waits until so many further jobs were acknowledged.
func (p *producer) more(t *testing.T, n int) {
	t.Helper()
	target := p.acked.Load() + int64(n)
	eventually(t, 2*time.Minute, "further acknowledged adds", func() bool { return p.acked.Load() >= target })
}

// take returns the ids since the last time.
func (p *producer) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.ids
	p.ids = nil
	return ids
}

// unexpected are the failures that were not because Redis was away.
func (p *producer) unexpected() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.failed), func(err error) bool {
		return errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
	})
}

// json1 is a payload of a usual size.
var json1 = map[string]any{"template": "welcome", "to": "ada@example.com", "data": map[string]string{"name": "Ada", "link": "https://example.com/verify"}}

// lost are the ids that are not there as jobs that wait.
func lost(t *testing.T, client redis.UniversalClient, ids []string) (gone []string) {
	t.Helper()
	for group := range slices.Chunk(ids, 1000) {
		pipe := client.Pipeline()
		names, places := make([]*redis.StringCmd, len(group)), make([]*redis.FloatCmd, len(group))
		for i, id := range group {
			names[i] = pipe.HGet(t.Context(), record().Key(id), "name")
			places[i] = pipe.ZScore(t.Context(), record().Key("prioritized"), id)
		}
		if _, err := pipe.Exec(t.Context()); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatalf("look for jobs: %v", err)
		}
		for i, id := range group {
			if names[i].Val() != "work" || places[i].Err() != nil {
				gone = append(gone, id)
			}
		}
	}
	return gone
}
