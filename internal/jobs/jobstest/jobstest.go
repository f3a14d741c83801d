// Package jobstest lends a queue on a real Redis to one test.
//
//	b := jobstest.New(t)
//	q := b.Queue("email", queue.Options{})
//	b.Pool("email", mux, worker.Options{Concurrency: 5})
//	added, err := q.Add(t.Context(), "welcome", payload, jobs.Options{})
//	b.Await("email", added.ID, jobs.Completed)
//
// Everything ends with the test: pools stop, queues close, keys go. Before that
// each queue that was used is looked over: whatever a test did, no job may be in
// two places, or wait without a marker, or be locked by nobody.
package jobstest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// Patience bounds every wait of a Bench: longer than a slow machine needs.
const Patience = 30 * time.Second

// Bench is a key prefix of a test's own on one server, and what works there.
type Bench struct {
	testing.TB
	Server *redistest.Server
	Conn   *redisconn.Conn
	Prefix string

	mu     sync.Mutex // guards queues
	queues map[string]bool
}

// New returns a bench on the server that the tests of this binary share.
func New(tb testing.TB) *Bench {
	tb.Helper()
	return On(tb, redistest.Shared(tb))
}

// On returns a bench on a server: one of the test's own, or behind a proxy.
func On(tb testing.TB, server *redistest.Server) *Bench {
	tb.Helper()
	return Open(tb, server, redisconn.Options{URL: server.URL})
}

// Open is On with options for the connection, which say where the server is.
func Open(tb testing.TB, server *redistest.Server, o redisconn.Options) *Bench {
	tb.Helper()
	b := &Bench{TB: tb, Server: server, Prefix: server.Prefix(tb), queues: map[string]bool{}}
	conn, err := redisconn.Open(o)
	if err != nil {
		tb.Fatalf("jobstest: open redis: %v", err)
	}
	b.Conn = conn
	tb.Cleanup(func() {
		b.check()
		if err := conn.Close(); err != nil {
			tb.Errorf("jobstest: close connection: %v", err)
		}
	})
	return b
}

// check looks over every queue that was used. It runs when pools and queues
// have ended, which were started later and so end earlier.
func (b *Bench) check() {
	b.Helper()
	b.mu.Lock()
	names := slices.Sorted(maps.Keys(b.queues))
	b.mu.Unlock()
	for _, name := range names {
		for _, broken := range invariant.Check(b.TB, b.Conn.UniversalClient, b.keys(name), invariant.Options{}) {
			b.Errorf("jobstest: queue %s is broken: %s", name, broken)
		}
		if b.Failed() {
			b.Logf("jobstest: keys of queue %s:\n%s", name, b.Dump(name))
		}
	}
}

// used notes that a queue is to be looked over at the end.
func (b *Bench) used(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[name] = true
}

func (b *Bench) keys(name string) wire.Keys { return wire.NewKeys(b.Prefix, name) }

// Queue returns a queue to add to, closed at the end. The prefix is the bench's.
func (b *Bench) Queue(name string, o queue.Options) *queue.Queue {
	b.Helper()
	o.Prefix = b.Prefix
	q, err := queue.New(b.Conn, name, o)
	if err != nil {
		b.Fatalf("jobstest: queue %s: %v", name, err)
	}
	b.used(name)
	b.Cleanup(q.Close)
	return q
}

// Pool starts a pool and stops it at the end, within two seconds. A test that
// stops it itself sees how that goes; a job that must be handed back at the end
// is no failure here.
func (b *Bench) Pool(name string, mux *worker.Mux, o worker.Options) *worker.Pool {
	b.Helper()
	p := b.NewPool(name, mux, o)
	if err := p.Start(); err != nil {
		b.Fatalf("jobstest: start pool of %s: %v", name, err)
	}
	b.Cleanup(func() {
		if err := p.WaitForCompletion(2 * time.Second); err != nil && !errors.Is(err, worker.ErrDeadline) {
			b.Errorf("jobstest: stop pool of %s: %v", name, err)
		}
	})
	return p
}

// NewPool returns a pool that is not started. What it logs goes to the test.
func (b *Bench) NewPool(name string, mux *worker.Mux, o worker.Options) *worker.Pool {
	b.Helper()
	o.Prefix = b.Prefix
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	p, err := worker.New(b.Conn, name, mux, o)
	if err != nil {
		b.Fatalf("jobstest: pool of %s: %v", name, err)
	}
	b.used(name)
	return p
}

// Admin returns a queue as its operator sees it.
func (b *Bench) Admin(name string) *admin.Queue {
	b.Helper()
	q, err := admin.New(b.Conn, b.Prefix, name)
	if err != nil {
		b.Fatalf("jobstest: queue %s: %v", name, err)
	}
	b.used(name)
	return q
}

// Add adds a job and returns its id.
func (b *Bench) Add(q *queue.Queue, name string, payload any, o jobs.Options) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	added, err := q.Add(ctx, name, payload, o)
	if err != nil {
		b.Fatalf("jobstest: add: %v", err)
	}
	return added.ID
}

// Dump is every key of a queue as text, its events below.
func (b *Bench) Dump(name string) string {
	b.Helper()
	return invariant.Dump(b.TB, b.Conn.UniversalClient, b.keys(name))
}

// Get returns a job and its state.
func (b *Bench) Get(name, id string) (*jobs.Job, jobs.State) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	job, state, err := b.Admin(name).Get(ctx, id)
	if err != nil {
		b.Fatalf("jobstest: get job %s: %v", id, err)
	}
	return job, state
}

// Counts returns the counts of a queue.
func (b *Bench) Counts(name string) admin.Counts {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	counts, err := b.Admin(name).Counts(ctx)
	if err != nil {
		b.Fatalf("jobstest: counts of %s: %v", name, err)
	}
	counts.OldestWaitingMs = 0 // differs from run to run
	return counts
}

// Eventually waits until done reports true, and fails the test with what was
// waited for when that takes longer than Patience.
func (b *Bench) Eventually(what string, done func() bool) {
	b.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			b.Fatalf("jobstest: waited %s in vain: %s", Patience, what)
		}
	}
}

// Await waits until a job is in a state and returns it.
func (b *Bench) Await(name, id string, want jobs.State) *jobs.Job {
	b.Helper()
	var job *jobs.Job
	b.Eventually(fmt.Sprintf("job %s is %s", id, want), func() bool {
		var state jobs.State
		job, state = b.Get(name, id)
		return state == want
	})
	return job
}

// AwaitFinished waits until n jobs of a queue have completed or failed.
func (b *Bench) AwaitFinished(name string, n int) {
	b.Helper()
	b.Eventually(fmt.Sprintf("%d jobs of %s are finished", n, name), func() bool {
		c := b.Counts(name)
		return int(c.Completed+c.Failed) >= n
	})
}
