package interop_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

func TestCheck31_GoStopsWhenNodePauses(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		held, id := q.add("hold", obj{}, nil), q.add("echo", obj{}, nil)
		w := r.goWorker(keeping())
		w.awaitHolding(held)
		q.call("pause")
		aside := map[int]string{5: "paused", 6: "wait"}[r.major]
		want(r, "waiting", r.list(aside), []string{id})
		w.release()
		r.awaitEvent("completed", held)
		want(r, "waiting still", r.list(aside), []string{id})
		want(r, "started", r.order(), []string{held})
		q.call("resume")
		r.awaitEvent("completed", id)
	})
}

// mostActive replays the stream: how many jobs were active at a time.
func (r *room) mostActive() int {
	active, most := 0, 0
	for _, e := range r.stream() {
		switch {
		case e.event == "active":
			active++
		case e.event == "completed" || e.event == "failed" || e.fields["prev"] == "active":
			active--
		}
		most = max(most, active)
	}
	return most
}

func TestCheck32_NodesConcurrencyHoldsForBoth(t *testing.T) {
	for _, limit := range []int{1, 3} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			eachMajor(t, func(r *room) {
				q, batch := r.nodeQueue(), []obj{}
				q.call("setGlobalConcurrency", limit)
				for range 60 {
					batch = append(batch, obj{"name": "sleep", "data": obj{"ms": 2}})
				}
				r.goWorker(worker.Options{Concurrency: 5, Name: "go"})
				r.nodeWorker(obj{"concurrency": 5, "drainDelay": 1, "name": "node"})
				q.call("addBulk", batch)
				r.awaitNth("completed", "", 60)
				want(r, "most at a time", r.mostActive(), limit)
				want(r, "started", len(r.order()), 60)
			})
		})
	}
}

// windows checks that jobs started in groups of at most limit, each group at
// least so many ms after the one before: a window opens with its first job.
func (r *room) windows(limit int, ms int64) {
	r.Helper()
	opened, n := int64(0), 0
	for _, e := range r.stream() {
		if e.event != "active" {
			continue
		}
		// The limiter's key and the stream's clock may round differently.
		if e.at-opened >= ms-2 {
			opened, n = e.at, 0
		}
		if n++; n > limit {
			r.Errorf("job %s was the %dth to start in %d ms", e.id, n, ms)
		}
	}
}

func TestCheck33_NodesRateLimitHoldsForBoth(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, batch := r.nodeQueue(), []obj{}
		q.call("setGlobalRateLimit", 2, 600)
		for range 9 {
			batch = append(batch, obj{"name": "echo", "data": obj{}})
		}
		q.call("addBulk", batch)
		r.goWorker(worker.Options{Concurrency: 5})
		r.nodeWorker(obj{"concurrency": 5, "drainDelay": 1})
		r.awaitEvent("active", "")
		if ttl := r.redis.PTTL(r.Context(), r.keys.Limiter()).Val(); ttl > 600*time.Millisecond {
			r.Errorf("the limiter holds for %s", ttl)
		}
		r.awaitNth("completed", "", 9)
		r.windows(2, 600)
	})
}

func TestCheck33_BothSidesCountIntoOneLimit(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, batch := r.nodeQueue(), []obj{}
		for range 9 {
			batch = append(batch, obj{"name": "echo", "data": obj{}})
		}
		q.call("addBulk", batch)
		r.goWorker(worker.Options{Concurrency: 5, RateLimit: jobs.RateLimit{Max: 2, Duration: 600 * time.Millisecond}})
		r.nodeWorker(obj{"concurrency": 5, "drainDelay": 1, "limiter": obj{"max": 2, "duration": 600}})
		r.awaitNth("completed", "", 9)
		r.windows(2, 600)
	})
}

func TestCheck34_AForcedLimitStopsGo(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		r.goWorker(worker.Options{RateLimit: jobs.RateLimit{Max: 100, Duration: time.Second}})
		r.blocked(1)
		before := r.redis.Time(r.Context()).Val().UnixMilli()
		q.call("rateLimit", 700)
		id := q.add("echo", obj{}, nil)
		if waited := r.awaitEvent("active", id).at - before; waited < 700 {
			r.Errorf("a job started %d ms into a limit of 700", waited)
		}
		r.awaitEvent("completed", id)
	})
}
