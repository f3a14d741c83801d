package interop_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// plain is a job as a Node producer adds it that says nothing.
func plain() jobs.Options { return jobs.Options{Priority: jobs.Unprioritized} }

// keeping keeps all finished jobs, like a Node worker that says nothing.
func keeping() worker.Options {
	return worker.Options{KeepCompleted: &jobs.Retention{}, KeepFailed: &jobs.Retention{}}
}

func (r *room) add(q *queue.Queue, name string, payload any, o jobs.Options) string {
	r.Helper()
	added, err := q.Add(r.Context(), name, payload, o)
	must(r, err)
	return added.ID
}

// order is in which order jobs became active.
func (r *room) order() []string {
	r.Helper()
	ids := []string{}
	for _, e := range r.stream() {
		if e.event == "active" {
			ids = append(ids, e.id)
		}
	}
	return ids
}

func TestCheck01_AnAddedJobIsStoredAsNodeStoresIt(t *testing.T) {
	newest(t, func(r *room) {
		id := r.add(r.goQueue(), "send", obj{"a": 1}, plain())
		stored := r.hash(id)
		timestamp := stored["timestamp"]
		want(r, "hash", stored, map[string]string{
			"name": "send", "data": `{"a":1}`, "opts": `{"attempts":0}`, "timestamp": timestamp, "delay": "0", "priority": "0",
		})
		want(r, "counter", r.redis.Get(r.Context(), r.key("id")).Val(), "1")
		want(r, "wait", r.list("wait"), []string{id})
		want(r, "marker", r.zset("marker"), []string{"0=0"})
		want(r, "events", r.story(id), []string{"added{" + id + " name=send}", "waiting{" + id + "}"})

		nodes := r.other("nodes")
		twin := nodes.nodeQueue().call("add", "send", obj{"a": 1}).text("id")
		copied := nodes.hash(twin)
		copied["timestamp"] = timestamp
		want(r, "Node's own", copied, stored)
		want(r, "Node's events", strings.ReplaceAll(fmt.Sprint(nodes.story(twin)), twin, id), fmt.Sprint(r.story(id)))
	})
}

func TestCheck02_AnIdleNodeWorkerWakesForAnAddedJob(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.goQueue()
		r.nodeWorker(obj{"drainDelay": 30})
		r.blocked(1)
		r.add(q, "echo", obj{}, plain())
		// Only the marker can end its wait of 30 s in time.
		r.awaitEvent("completed", "")
		r.blocked(1)
		r.add(q, "echo", obj{}, jobs.Options{Priority: jobs.Low})
		r.awaitNth("completed", "", 2)
	})
}

// blocked waits until so many workers of this queue block on its marker.
func (r *room) blocked(n int) {
	r.Helper()
	r.eventually(fmt.Sprintf("%d workers blocked", n), func() bool {
		clients, err := r.redis.ClientList(r.Context()).Result()
		must(r, err)
		seen := 0
		for client := range strings.Lines(clients) {
			if strings.Contains(client, "name="+r.keys.ClientName("")) && strings.Contains(client, "cmd=bzpopmin") {
				seen++
			}
		}
		return seen == n
	})
}

func TestCheck03_AnyJSONIsData(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, node := r.goQueue(), r.nodeQueue()
		for _, data := range []string{`"text"`, `null`, `[]`, `0`, `{}`, `false`, `1e30`, `"\u0000/ü</script>😀"`, `{"a":[],"b":null}`} {
			id := r.add(q, "echo", json.RawMessage(data), plain())
			got, err := json.Marshal(node.job(id, "").at("data"))
			must(r, err)
			want(r, "data", decoded(r, got), decoded(r, []byte(data)))
		}
		r.nodeWorker(nil)
		r.awaitNth("completed", "", 9)
	})
}

func decoded(t testing.TB, text []byte) any {
	t.Helper()
	var v any
	must(t, json.Unmarshal(text, &v))
	return v
}

func TestCheck04_NodeRetriesWithTheBackoffThatGoStored(t *testing.T) {
	eachMajor(t, func(r *room) {
		id := r.add(r.goQueue(), "fail", obj{"times": 2}, jobs.Options{
			Priority: jobs.Unprioritized, Attempts: 3, Backoff: jobs.Backoff{Type: jobs.Exponential, Delay: 200 * time.Millisecond},
		})
		opts := r.nodeQueue().job(id, "").at("opts")
		want[any](r, "opts", opts, obj{"attempts": 3.0, "backoff": obj{"type": "exponential", "delay": 200.0}})
		r.nodeWorker(nil)
		r.awaitEvent("completed", id)
		starts := r.moments("active", id)
		want(r, "starts", len(starts), 3)
		for i, least := range []int64{200, 400} {
			if waited := starts[i+1] - starts[i]; waited < least {
				r.Errorf("attempt %d came %d ms after the one before, want %d at least", i+2, waited, least)
			}
		}
	})
}

// moments are when events of a kind were told of a job.
func (r *room) moments(event, id string) []int64 {
	r.Helper()
	var all []int64
	for _, e := range r.stream() {
		if e.event == event && e.id == id {
			all = append(all, e.at)
		}
	}
	return all
}

func TestCheck05_JobsDueTogetherRunInTheirOrder(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, due := r.goQueue(), time.Now().Add(1500*time.Millisecond).Truncate(time.Millisecond)
		o := plain()
		o.RunAt = due
		var ids []string
		for range 3 {
			ids = append(ids, r.add(q, "echo", obj{}, o))
		}
		scores := []float64{}
		for _, id := range ids {
			scores = append(scores, r.score("delayed", id))
		}
		base := float64(due.UnixMilli() * 4096)
		want(r, "scores", scores, []float64{base, base + 1, base + 2})
		r.nodeWorker(nil)
		r.awaitNth("completed", "", 3)
		want(r, "order", r.order(), ids)
	})
}

func TestCheck06_AnEarlierDelayedJobMovesTheMarker(t *testing.T) {
	newest(t, func(r *room) {
		q := r.goQueue()
		for _, delay := range []time.Duration{time.Hour, time.Minute, 2 * time.Minute} {
			o := plain()
			o.Delay = delay
			r.add(q, "echo", obj{}, o)
		}
		head, err := r.redis.ZRangeWithScores(r.Context(), r.keys.Delayed(), 0, 0).Result()
		must(r, err)
		want(r, "marker", r.score("marker", "1"), float64(int64(head[0].Score)/4096))
		invariant.Must(r, r.redis, r.keys, invariant.Options{})
	})
}

func TestCheck07_PrioritiesAreScoredAsNodeScoresThem(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.goQueue()
		var ids []string
		for _, p := range []jobs.Priority{10, 10, 1} {
			ids = append(ids, r.add(q, "echo", obj{}, jobs.Options{Priority: p}))
		}
		const step = 1 << 32
		want(r, "scores", []float64{r.score("prioritized", ids[0]), r.score("prioritized", ids[1]), r.score("prioritized", ids[2])},
			[]float64{10*step + 1, 10*step + 2, step + 3})
		r.nodeWorker(nil)
		r.awaitNth("completed", "", 3)
		want(r, "order", r.order(), []string{ids[2], ids[0], ids[1]})
		r.eventually("pc gone", func() bool { return !r.exists("pc") })
	})
}

func TestCheck08_LIFOIsServedNext(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.goQueue()
		first := r.add(q, "echo", obj{}, plain())
		last := r.add(q, "echo", obj{}, jobs.Options{LIFO: true})
		want(r, "wait", r.list("wait"), []string{first, last})
		r.nodeWorker(nil)
		r.awaitNth("completed", "", 2)
		want(r, "order", r.order(), []string{last, first})
	})
}

func TestCheck09_AnIDIsAddedOnce(t *testing.T) {
	eachMajor(t, func(r *room) {
		o := plain()
		o.ID = "order-7"
		q, node := r.goQueue(), r.nodeQueue()
		for i, existed := range []bool{false, true} {
			added, err := q.Add(r.Context(), "echo", obj{"n": i}, o)
			must(r, err)
			want(r, "answer", added, queue.Added{ID: "order-7", Existed: existed})
		}
		want(r, "Node's answer", node.call("add", "echo", obj{"n": 2}, obj{"jobId": "order-7"}).text("id"), "order-7")
		want(r, "counter", r.redis.Get(r.Context(), r.key("id")).Val(), "3")
		want(r, "wait", r.list("wait"), []string{"order-7"})
		want(r, "data", r.field("order-7", "data"), `{"n":0}`)
		want(r, "events", r.story("order-7"), []string{
			"added{order-7 name=echo}", "waiting{order-7}", "duplicated{order-7}", "duplicated{order-7}",
		})
	})
}

func TestCheck10_IDsThatNodeRefusesAreRefused(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, node := r.goQueue(), r.nodeQueue()
		for _, id := range []string{"12", "a:b", "0", "0:x"} {
			o := plain()
			o.ID = id
			if _, err := q.Add(r.Context(), "echo", obj{}, o); !errors.Is(err, jobs.ErrInvalid) {
				r.Errorf("go takes the id %q: %v", id, err)
			}
			if v, err := node.try("add", "echo", obj{}, obj{"jobId": id}); err == nil {
				r.Errorf("node takes the id %q: %s", id, v.raw)
			}
		}
		// Node takes the names of keys for granted.
		for _, id := range []string{"wait", "meta", "events", "id", "marker", "repeat:x:y", "stalled-check"} {
			o := plain()
			o.ID = id
			if _, err := q.Add(r.Context(), "echo", obj{}, o); !errors.Is(err, jobs.ErrInvalid) {
				r.Errorf("go takes the id %q: %v", id, err)
			}
		}
		for _, id := range []string{"a:b:c", "012", "a12"} {
			o := plain()
			o.ID = id
			want(r, "id", r.add(q, "echo", obj{}, o), id)
			want(r, "Node's", node.job(id, "getState").text(), "waiting")
		}
	})
}

func TestCheck12_AddedToAPausedQueue(t *testing.T) {
	newest(t, func(r *room) { // BullMQ 5 puts the list aside: trap T1
		q, node := r.goQueue(), r.nodeQueue()
		node.call("pause")
		id := r.add(q, "echo", obj{}, plain())
		want(r, "wait", r.list("wait"), []string{id})
		want(r, "marker", r.zset("marker"), []string{})
		r.nodeWorker(obj{"drainDelay": 30})
		r.blocked(1)
		node.call("resume")
		r.awaitEvent("completed", id)
	})
}

func TestCheck13_AddedToAQueueThatIsFull(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, node := r.goQueue(), r.nodeQueue()
		node.call("setGlobalConcurrency", 1)
		w := r.nodeWorker(obj{"drainDelay": 1})
		held := r.add(q, "hold", obj{}, plain())
		w.awaitHolding(held)
		must(r, r.redis.Del(r.Context(), r.keys.Marker()).Err()) // left by the activation, as a hint
		id := r.add(q, "echo", obj{}, plain())
		want(r, "marker", r.zset("marker"), []string{})
		w.release()
		r.awaitEvent("completed", id)
		want(r, "order", r.order(), []string{held, id})
	})
}

func TestCheck14_ABulkOfTenThousand(t *testing.T) {
	eachMajor(t, func(r *room) {
		items := make([]queue.Item, 10_000)
		for i := range items {
			items[i] = queue.Item{Name: "echo", Payload: obj{"n": i}, Options: plain()}
		}
		added, err := r.goQueue().AddBulk(r.Context(), items, queue.Bulk{})
		must(r, err)
		node := r.nodeQueue()
		want(r, "waiting", node.call("getJobCounts").number("waiting"), 10_000)
		want(r, "first", node.job(added[0].ID, "").number("data", "n"), 0)
		// 20,000 were told; whole nodes of the stream are trimmed.
		if n := r.redis.XLen(r.Context(), r.keys.Events()).Val(); n < 10_000 || n > 11_000 {
			r.Errorf("the stream holds %d entries, want about 10,000", n)
		}
	})
}

func TestCheck15_TheVersionOfAnotherClientStays(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.goQueue()
		r.add(q, "echo", obj{}, plain())
		want(r, "settings", r.hash("meta"), map[string]string{"opts.maxLenEvents": "10000", "version": "tandem:6.7.0"})

		r.nodeQueue()
		theirs := r.field("meta", "version")
		if !strings.HasPrefix(theirs, "bullmq:") {
			r.Fatalf("node wrote the version %q", theirs)
		}
		r.add(q, "echo", obj{}, plain())
		_, err := r.admin().Pause(r.Context())
		must(r, err)
		want(r, "version", r.field("meta", "version"), theirs)
	})
}

func TestCheck16_NodeKeepsWhatGoSays(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.goQueue()
		with := func(completed, failed *jobs.Retention) jobs.Options {
			o := plain()
			o.KeepCompleted, o.KeepFailed = completed, failed
			return o
		}
		gone := r.add(q, "echo", obj{}, with(&jobs.Retention{None: true}, nil))
		goneToo := r.add(q, "fail", obj{}, with(nil, &jobs.Retention{None: true}))
		evicted := r.add(q, "echo", obj{}, with(&jobs.Retention{Count: 2}, nil))
		aged := r.add(q, "echo", obj{}, with(&jobs.Retention{Count: 2, Age: time.Hour, Limit: 5}, nil))
		last := r.add(q, "echo", obj{}, with(&jobs.Retention{Count: 2}, nil))
		kept := r.add(q, "echo", obj{}, with(&jobs.Retention{}, nil)) // overrides the worker
		r.nodeWorker(obj{"removeOnComplete": obj{"count": 0}})
		r.awaitEvent("completed", kept)
		for id, there := range map[string]bool{gone: false, goneToo: false, evicted: false, aged: true, last: true, kept: true} {
			want(r, "job "+id, r.exists(id), there)
		}
	})
}

func TestCheck17_NodeKeepsAsManyLogLinesAsGoSays(t *testing.T) {
	eachMajor(t, func(r *room) {
		o := plain()
		o.KeepLogs = 2
		id := r.add(r.goQueue(), "progress", obj{}, o)
		r.nodeWorker(nil)
		r.awaitEvent("completed", id)
		want(r, "log", r.list(id+":logs"), []string{"three", "four"})
	})
}

func TestCheck18_NodeShowsOptionsThatItDoesNotKnow(t *testing.T) {
	eachMajor(t, func(r *room) {
		o := plain()
		o.Timeout, o.ExpiresAt = 5*time.Second, time.UnixMilli(1893456000000)
		o.Foreign = map[string]json.RawMessage{"colour": json.RawMessage(`{"r":[1,2]}`)}
		o.Backoff = jobs.Backoff{Type: jobs.Linear, Delay: time.Second, MaxDelay: time.Minute, Jitter: 0.5}
		id := r.add(r.goQueue(), "echo", obj{}, o)
		want[any](r, "opts", r.nodeQueue().job(id, "").at("opts"), obj{
			"attempts": 0.0, "timeout": 5000.0, "expiresAt": 1893456000000.0, "colour": obj{"r": []any{1.0, 2.0}},
			"backoff": obj{"type": "linear", "delay": 1000.0, "maxDelay": 60000.0, "jitter": 0.5},
		})
	})
}
