package interop_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// everyOperation makes Go run each of its scripts on this queue, with jobs of
// both sides.
func (r *room) everyOperation(node *object) {
	r.Helper()
	q, a, ctx := r.goQueue(), r.admin(), r.Context()
	_, err := a.Pause(ctx)
	must(r, err)
	later := jobs.Options{Delay: time.Hour}
	ids := []string{
		r.add(q, "echo", obj{}, plain()), r.add(q, "echo", obj{}, jobs.Options{LIFO: true}),
		r.add(q, "echo", obj{}, later), r.add(q, "echo", obj{}, later), r.add(q, "echo", obj{}, later),
		node.add("fail", obj{"times": 2}, obj{"attempts": 2, "backoff": 10}), node.add("hopeless", obj{}, nil),
		node.add("progress", obj{}, obj{"delay": 5}), node.add("snooze", obj{"ms": 5}, nil), node.add("nothing", obj{}, obj{"priority": 3}),
	}
	_, err = q.AddBulk(ctx, []queue.Item{{Name: "echo", Payload: 1}, {Name: "echo", Payload: 2, Options: plain()}}, queue.Bulk{})
	must(r, err)
	same := plain()
	same.ID = ids[0]
	r.add(q, "echo", obj{}, same)
	must(r, a.ChangePriority(ctx, ids[0], jobs.High, false))
	must(r, a.UpdateData(ctx, ids[1], obj{"new": true}))
	must(r, a.ChangeDelay(ctx, ids[2], 2*time.Hour))
	must(r, a.Promote(ctx, ids[2]))
	must(r, a.Remove(ctx, ids[3], false))
	_, err = a.PromoteAll(ctx)
	must(r, err)
	must(r, a.Resume(ctx))
	r.work(node, ids)
	r.sweepUp(a, q, ids)
}

// work runs what is there, a scheduler's job and a suspect too, and renews locks.
func (r *room) work(node *object, ids []string) {
	r.Helper()
	node.call("upsertJobScheduler", "s", obj{"every": 3_600_000}, obj{"name": "echo"})
	suspect, held := node.add("echo", obj{}, obj{"delay": 3_600_000}), node.add("hold", obj{}, nil)
	must(r, r.redis.HSet(r.Context(), r.key(suspect), "stc", 2).Err())
	must(r, r.admin().Promote(r.Context(), suspect))
	w := r.goWorker(worker.Options{
		Concurrency: 3, LockDuration: 400 * time.Millisecond, SweepInterval: 400 * time.Millisecond, MetricMinutes: 5,
		RateLimit: jobs.RateLimit{Max: 1000, Duration: time.Second},
	})
	w.awaitHolding(held)
	r.eventually("locks renewed and swept", func() bool { return r.exists("stalled") })
	w.release()
	for _, id := range append(ids, suspect, held) {
		if id != ids[3] {
			r.await("the end of "+id, func(e told) bool {
				return e.id == id && (e.event == "completed" || e.event == "failed")
			})
		}
	}
}

func (r *room) sweepUp(a *admin.Queue, q *queue.Queue, ids []string) {
	r.Helper()
	ctx := r.Context()
	_, _, err := a.Get(ctx, ids[5])
	must(r, err)
	must(r, a.Retry(ctx, ids[5], admin.Retry{}))
	r.awaitEvent("completed", ids[5])
	_, err = a.RetryMany(ctx, jobs.Failed, time.Time{})
	must(r, err)
	r.awaitNth("failed", ids[6], 2)
	for _, state := range jobs.States() {
		_, _, err := a.Page(ctx, state, 0, 10)
		must(r, err)
	}
	_, err = a.Counts(ctx)
	must(r, err)
	_, _, err = a.Logs(ctx, ids[7], 0, 10)
	must(r, err)
	_, err = a.Clean(ctx, jobs.Failed, 0, 0)
	must(r, err)
	r.add(q, "echo", obj{}, jobs.Options{Delay: time.Hour})
	drained, err := a.Drain(ctx, true)
	must(r, err)
	want(r, "drained", drained, 1)
	r.sound()
}

// end takes the queue apart.
func (r *room) end() {
	r.Helper()
	_, err := r.admin().Pause(r.Context())
	must(r, err)
	must(r, r.admin().Obliterate(r.Context(), true))
}

func TestCheck84_EveryScriptRunsOnACluster(t *testing.T) {
	t.Parallel()
	needNode(t)
	nodes := redistest.Cluster(t)
	r := &room{
		T: t, redis: nodes.Client, node: sharedNode(t), major: 6, prefix: "{bull}", queue: "mail",
		keys: wire.NewKeys("{bull}", "mail"),
		conn: open(t, redisconn.Options{Addrs: nodes.Addrs, Cluster: true}),
	}
	startup := []any{}
	for _, addr := range nodes.Addrs {
		host, port, _ := strings.Cut(addr, ":")
		startup = append(startup, obj{"host": host, "port": port})
	}
	r.cluster = r.node.create(t, obj{"op": "cluster", "args": startup})
	q := r.nodeQueue()
	r.everyOperation(q)
	r.nodeWorker(nil)
	last := r.add(r.goQueue(), "echo", obj{"a": 1}, plain())
	want[any](r, "Node's view", q.job(last, "").at("data"), obj{"a": 1.0})
	r.awaitEvent("completed", last)
	r.end()
}

func TestCheck85_NodesEventReaderSurvivesEverything(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, events := r.nodeQueue(), r.nodeEvents()
		r.everyOperation(q)
		last := r.add(r.goQueue(), "echo", obj{"text": "a\nb\u2028"}, plain())
		events.await("completed", func(args []json.RawMessage) bool { return strings.Contains(string(args[0]), last) })
		// One of each kind that Go writes was heard.
		for _, kind := range []string{"added", "waiting", "active", "completed", "failed", "delayed", "progress", "removed",
			"duplicated", "retries-exhausted", "paused", "resumed", "cleaned"} {
			if len(events.events(kind)) == 0 {
				r.Errorf("node heard no %s", kind)
			}
		}
		r.end()
	})
}

// all are the keys of both kinds: BullMQ's, and those that only Go knows.
func (r *room) all() []string {
	r.Helper()
	var keys []string
	for _, base := range []string{r.keys.Base(), r.keys.Private()} {
		keys = append(keys, r.redis.Keys(r.Context(), base+"*").Val()...)
	}
	slices.Sort(keys)
	return keys
}

// lasting leaves out the keys that come and go while a worker runs.
func (r *room) lasting() []string {
	r.Helper()
	return slices.DeleteFunc(r.all(), func(key string) bool {
		return slices.Contains([]string{r.keys.Limiter(), r.keys.Marker(), r.key("stalled"), r.key("stalled-check")}, key)
	})
}

func TestCheck86_NodeFindsNoOrphans(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		r.everyOperation(q)
		held := r.add(r.goQueue(), "hold", obj{}, plain())
		r.awaitEvent("active", held)
		before := r.lasting()
		removed := q.call("removeOrphanedJobs").number()
		// Node takes its own metrics of failures for what a job named metrics left.
		metrics := r.key("metrics:failed")
		want(r, "removed", removed, 1)
		want(r, "keys", r.lasting(), slices.DeleteFunc(before, func(key string) bool { return key == metrics }))
	})
}

func TestCheck86_NodeTakesItsOwnMetricsForAnOrphan(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("fail", obj{}, nil)
		r.nodeWorker(obj{"metrics": obj{"maxDataPoints": 5}})
		r.awaitEvent("failed", id)
		want(r, "removed", q.call("removeOrphanedJobs").number(), 1)
		want(r, "metrics", r.exists("metrics:failed"), false)
	})
}
