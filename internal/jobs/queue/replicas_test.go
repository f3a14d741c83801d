package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

// pair is a primary with one replica in step, and a bench that waits for it.
func pair(t *testing.T) (primary, replica *redistest.Instance, b *jobstest.Bench) {
	t.Helper()
	lines := []string{"repl-diskless-sync-delay 0", "repl-ping-replica-period 1"}
	primary = redistest.Own(t, redistest.Options{Config: lines})
	follow := "replicaof " + strings.ReplaceAll(primary.Addr, ":", " ")
	replica = redistest.Own(t, redistest.Options{Config: append(lines, follow)})
	b = jobstest.Open(t, primary.Server, redisconn.Options{
		URL: primary.URL, Replicas: 1, ReplicaTimeout: 50 * time.Millisecond,
	})
	b.Eventually("the replica is in step", func() bool {
		return strings.Contains(b.Conn.Info(t.Context(), "replication").Val(), "state=online")
	})
	return primary, replica, b
}

func addWithin(t *testing.T, q *queue.Queue, d time.Duration, id string) (queue.Added, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return q.Add(ctx, "work", nil, jobs.Options{ID: id})
}

// The primary takes writes all the while, as one does that was cut off from its
// replicas and replaced without knowing it: what it alone has may be lost.
func TestAJobIsAcceptedOnlyOnceAReplicaHasIt(t *testing.T) {
	t.Parallel()
	_, replica, b := pair(t)
	q := b.Queue("q", queue.Options{})
	if added, err := addWithin(t, q, jobstest.Patience, "before"); err != nil || added.Existed {
		t.Fatalf("with its replica: %+v, %v", added, err)
	}
	replica.Pause()
	for i := range 3 { // the job is stored from the first on, and must not count as added
		if _, err := addWithin(t, q, 300*time.Millisecond, "during"); !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("without its replica, add %d: %v, wanted ErrUnavailable", i, err)
		}
	}
	replica.Resume()
	if _, err := addWithin(t, q, jobstest.Patience, "during"); err != nil {
		t.Errorf("with its replica again: %v", err)
	}
	if n := b.Counts("q").Waiting; n != 2 {
		t.Errorf("%d jobs, wanted one of each id", n)
	}
}

func TestAnAddWaitsForAReplicaThatComesBack(t *testing.T) {
	t.Parallel()
	_, replica, b := pair(t)
	q := b.Queue("q", queue.Options{Patience: jobstest.Patience})
	b.Add(q, "work", nil, jobs.Options{})
	replica.Pause()
	added := make(chan queue.Added, 1)
	go func() {
		a, err := q.Add(t.Context(), "work", nil, jobs.Options{})
		if err != nil {
			t.Errorf("add: %v", err)
		}
		added <- a
	}()
	b.Eventually("it is stored", func() bool { return b.Counts("q").Waiting == 2 })
	replica.Resume()
	if a := <-added; a.Existed {
		t.Error("the caller's own job is called a duplicate")
	}
	if n := b.Counts("q").Waiting; n != 2 {
		t.Errorf("%d jobs, wanted 2", n)
	}
}

func TestABulkIsAcceptedOnlyOnceAReplicaHasIt(t *testing.T) {
	t.Parallel()
	_, replica, b := pair(t)
	q := b.Queue("q", queue.Options{})
	if results, err := q.AddBulk(t.Context(), make500(), queue.Bulk{}); err != nil || results[499].Existed {
		t.Fatalf("with its replica: %+v, %v", results[499], err)
	}
	replica.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results, err := q.AddBulk(ctx, make500(), queue.Bulk{})
	if !errors.Is(err, jobs.ErrNotReplicated) {
		t.Errorf("without its replica: %v, wanted ErrNotReplicated", err)
	}
	for i, r := range results {
		if r.Err == nil {
			t.Fatalf("item %d counts as added", i)
		}
	}
	replica.Resume()
}

func TestWhatWasAcceptedSurvivesThePrimary(t *testing.T) {
	t.Parallel()
	primary, replica, b := pair(t)
	q := b.Queue("q", queue.Options{})
	for range 200 {
		b.Add(q, "work", nil, jobs.Options{})
	}
	primary.Kill()
	heir := jobstest.On(t, replica.Server)
	heir.Prefix = b.Prefix
	if err := heir.Conn.Do(t.Context(), "replicaof", "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	if n := heir.Counts("q").Waiting; n != 200 {
		t.Errorf("the heir has %d of 200 jobs", n)
	}
	primary.Restart() // for the bench, which looks over its queues at the end
}

func TestOnAClusterThePrimaryOfTheQueueWaitsForItsReplica(t *testing.T) {
	t.Parallel()
	nodes := redistest.ReplicatedCluster(t)
	for i, prefix := range []string{"{one}", "{two}", "{three}"} {
		conn, err := redisconn.Open(redisconn.Options{
			Addrs: nodes.Addrs, Cluster: true, Replicas: 1, ReplicaTimeout: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		q, err := queue.New(conn, "q", queue.Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		if _, err := addWithin(t, q, jobstest.Patience, "before"); err != nil {
			t.Errorf("queue %d with its replica: %v", i, err)
		}
		replica := replicaOf(t, nodes, prefix+":q:meta")
		replica.Pause()
		if _, err := addWithin(t, q, 300*time.Millisecond, "during"); !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("queue %d without its replica: %v, wanted ErrUnavailable", i, err)
		}
		replica.Resume()
	}
}

func replicaOf(t *testing.T, nodes *redistest.Nodes, key string) *redistest.Instance {
	t.Helper()
	primary, err := nodes.PrimaryOf(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range nodes.Instances {
		if p == primary {
			return nodes.Replicas[i]
		}
	}
	t.Fatalf("%s is not a primary of the start", primary.Addr)
	return nil
}
