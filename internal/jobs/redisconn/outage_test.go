package redisconn_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// A server is down for as long as the client library needs to stop dialling: an
// add that was begun in that time is stored, and its job runs, when it is back.
func TestAnAddFromTheOutageRunsAfterIt(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	var failed atomic.Int64
	b := jobstest.Open(t, server.Server, redisconn.Options{URL: server.URL, PoolSize: 2, Dial: countingFailures(&failed)})
	var ran atomic.Bool
	mux := worker.NewMux()
	worker.Handle(mux, jobs.Define[int, struct{}]("q", "work"), func(context.Context, *worker.Job[int]) (struct{}, error) {
		ran.Store(true)
		return struct{}{}, nil
	})
	b.Pool("q", mux, worker.Options{})
	q := b.Queue("q", queue.Options{Patience: jobstest.Patience})
	server.Kill()
	added := make(chan error, 1)
	go func() {
		_, err := q.Add(t.Context(), "work", 1, jobs.Options{})
		added <- err
	}()
	b.Eventually("dials have failed", func() bool { return failed.Load() >= 20 })
	server.Restart()
	back := time.Now()
	if err := <-added; err != nil {
		t.Errorf("add: %v", err)
	}
	b.Eventually("its job has run", ran.Load)
	t.Logf("the first job ran %s after the server was back", time.Since(back).Round(time.Millisecond))
}

func countingFailures(failed *atomic.Int64) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, addr)
		if err != nil {
			failed.Add(1)
		}
		return conn, err
	}
}
