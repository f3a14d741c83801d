package promises_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/promises"
)

// However long Redis was away: the job that was waited with is added, and runs,
// as soon as it is back. Nobody sits out a backoff that grew meanwhile.
func TestTheFirstJobRunsAsSoonAsRedisIsBack(t *testing.T) {
	t.Parallel()
	const goal = time.Second
	outages := sized([]int{1, 3}, []int{1, 2, 3, 5, 8, 13, 20, 30, 45, 60})
	var took []time.Duration
	for _, outage := range outages {
		took = append(took, afterOutage(t, time.Duration(outage)*time.Second))
	}
	worst := promises.Quantile(took, 1)
	report(t, onTime(promises.Row{
		Name: "first job after Redis is back", Goal: "≤ 1 s", Measured: seconds(worst), N: len(took),
		Of: fmt.Sprintf("outages of %d to %d s, from when the server accepts connections", outages[0], outages[len(outages)-1]),
	}, limit{worst, goal}))
}

// afterOutage is the time from when Redis is back to the start of the job that
// was added during the outage.
func afterOutage(t *testing.T, outage time.Duration) time.Duration {
	t.Helper()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	conn := open(t, redisconn.Options{URL: server.URL})
	starts := make(chan start, 16)
	work(t, conn, worker.Options{}, telling(starts))
	q := newQueue(t, conn)
	first := addAndWait(t, q, starts) // the pool is up
	if first == "" {
		t.Fatal("no job before the outage")
	}
	server.Kill()
	added := addLater(t, q, outage+time.Minute)
	must(t, wait(t.Context(), outage))
	server.Restart()
	back := time.Now()
	return began(t, starts, <-added).Sub(back)
}

// addAndWait adds a job and waits until it starts.
func addAndWait(t *testing.T, q *queue.Queue, starts <-chan start) string {
	t.Helper()
	id := <-addLater(t, q, time.Minute)
	began(t, starts, id)
	return id
}

// addLater adds a job with the patience to wait for Redis, and tells its id.
func addLater(t *testing.T, q *queue.Queue, patience time.Duration) <-chan string {
	t.Helper()
	id := make(chan string, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		added, err := q.Add(ctx, "work", json1, jobs.Options{})
		if err != nil {
			t.Errorf("add: %v", err)
		}
		id <- added.ID
	}()
	return id
}

// began is when the job started.
func began(t *testing.T, starts <-chan start, id string) time.Time {
	t.Helper()
	for {
		select {
		case s := <-starts:
			if s.id == id {
				return s.at
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("job %s did not start", id)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The same when another server takes over: from when it takes writes.
func TestTheFirstJobRunsSoonAfterAFailover(t *testing.T) {
	t.Parallel()
	const goal = 3 * time.Second
	group := redistest.Sentinel(t)
	conn := open(t, redisconn.Options{Addrs: group.Addrs, MasterName: redistest.MasterName})
	starts := make(chan start, 1024)
	work(t, conn, worker.Options{}, telling(starts))
	q := newQueue(t, conn)
	var took []time.Duration
	failovers := sized(2, 20)
	for i := range failovers {
		addAndWait(t, q, starts)
		took = append(took, afterFailover(t, group, q, starts, i%2 == 1))
	}
	worst := promises.Quantile(took, 1)
	report(t, onTime(promises.Row{
		Name: "first job after a failover", Goal: "≤ 3 s", Measured: seconds(worst), N: len(took),
		Of: "failovers, half of them with a zombie, from when the new primary takes writes",
	}, limit{worst, goal}))
}

func afterFailover(t *testing.T, group *redistest.Group, q *queue.Queue, starts <-chan start, zombie bool) time.Duration {
	t.Helper()
	strike := inject.Failover(group)
	if zombie {
		strike = inject.Zombie(group)
	}
	old, err := group.Primary(t.Context())
	must(t, err)
	healed := make(chan error, 1)
	go func() { healed <- strike.Do(t.Context(), chance(t)) }()
	_, err = group.AwaitFailover(t.Context(), old)
	must(t, err)
	took := firstOfMany(t, q, starts)
	must(t, <-healed)
	return took
}

// firstOfMany adds until a job starts, and returns how long that took: a single
// one may be among those that a failover without replicas loses.
func firstOfMany(t *testing.T, q *queue.Queue, starts <-chan start) time.Duration {
	t.Helper()
	p := producePaced(t, 20*time.Millisecond, 2, q)
	defer p.end()
	back := time.Now()
	for {
		select {
		case s := <-starts:
			if s.at.After(back) {
				return s.at.Sub(back)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("no job started")
		}
	}
}
