package interop_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/queue"
)

// Ten thousand jobs, half of them added by Node and half by Go, on one queue.
// Workers of both sides run them together, and a Go worker is killed with SIGKILL
// in the middle. All ten thousand complete: none is lost, none fails, none is
// finished twice.
func TestTenThousandJobsOfBothSidesSurviveTheDeathOfAWorker(t *testing.T) {
	newest(t, func(r *room) {
		const each = 5000
		const lock = 3 * time.Second
		victim := r.goProcess(childSpec{Name: "victim", Concurrency: 20, Lock: lock, Sweep: lock})
		r.goProcess(childSpec{Name: "survivor", Concurrency: 20, Lock: lock, Sweep: lock})
		r.nodeWorkerAt(startNode(t), obj{"concurrency": 20, "lockDuration": lock.Milliseconds(), "drainDelay": 1})
		victim.await("ready")

		added := make(chan []string)
		go func() { added <- r.addFromNode(each) }()
		ids := append(r.addFromGo(each), <-added...)

		r.completed(each / 2)
		victim.kill()
		r.completed(2 * each)

		want(t, "failed", r.members("failed"), []string{})
		want(t, "finishes of each job", r.finishes(ids), map[string]int{"1": 2 * each})
		by := r.workers(ids)
		t.Logf("jobs by worker: %v, taken back from the dead one: %d", by, r.takenBack(ids))
		if by["victim"] == 0 || by["survivor"] == 0 || by[""] == 0 {
			t.Errorf("one of the workers had nothing to do: %v", by)
		}
		r.empty()
	})
}

func (r *room) addFromGo(n int) []string {
	r.Helper()
	items := make([]queue.Item, n)
	for i := range items {
		items[i] = queue.Item{Name: "sleep", Payload: obj{"ms": 5, "from": "go", "n": i}, Options: plain()}
	}
	added, err := r.goQueue().AddBulk(r.Context(), items, queue.Bulk{})
	if err != nil {
		r.Errorf("add from Go: %v", err)
	}
	ids := make([]string, n)
	for i, a := range added {
		ids[i] = a.ID
	}
	return ids
}

// addFromNode does not stop the test: it runs beside it.
func (r *room) addFromNode(n int) []string {
	q := r.nodeQueue()
	var ids []string
	for len(ids) < n {
		batch := make([]obj, 500)
		for i := range batch {
			batch[i] = obj{"name": "sleep", "data": obj{"ms": 5, "from": "node", "n": len(ids) + i}}
		}
		added, err := q.try("addBulk", batch)
		if err != nil {
			r.Errorf("add from Node: %v", err)
			return ids
		}
		for _, job := range added.any().([]any) {
			ids = append(ids, job.(obj)["id"].(string))
		}
	}
	return ids
}

// completed waits until so many jobs are.
func (r *room) completed(n int64) {
	r.Helper()
	r.eventually(strconv.FormatInt(n, 10)+" completed", func() bool {
		return r.redis.ZCard(r.Context(), r.keys.Completed()).Val() >= n
	})
}

// tally counts the values of one field over many jobs; "" counts those without.
func (r *room) tally(ids []string, field string) map[string]int {
	r.Helper()
	pipe := r.redis.Pipeline()
	values := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		values[i] = pipe.HMGet(r.Context(), r.keys.Job(id), field)
	}
	_, err := pipe.Exec(r.Context())
	must(r, err)
	counts := map[string]int{}
	for _, value := range values {
		text, _ := value.Val()[0].(string)
		counts[text]++
	}
	return counts
}

// finishes tells how many jobs were finished how often: a finish that was
// accepted counts an attempt.
func (r *room) finishes(ids []string) map[string]int { return r.tally(ids, "atm") }

// workers tells how many jobs each worker had last; Node's has no name.
func (r *room) workers(ids []string) map[string]int { return r.tally(ids, "pb") }

func (r *room) takenBack(ids []string) int { return r.tally(ids, "stc")["1"] }
