package interop_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// states is where both sides see a job.
func (r *room) states(q *object, id string) [2]string {
	r.Helper()
	_, state, err := r.admin().Get(r.Context(), id)
	must(r, err)
	return [2]string{q.job(id, "getState").text(), string(state)}
}

func both(state jobs.State) [2]string { return [2]string{string(state), string(state)} }

func TestCheck47_BothSidesSeeAJobInTheSameState(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, goq, at := r.nodeQueue(), r.goQueue(), map[jobs.State]string{}
		at[jobs.Active] = r.add(goq, "hold", obj{}, plain())
		w := r.goWorker(keeping())
		w.awaitHolding(at[jobs.Active])
		at[jobs.Waiting] = r.add(goq, "echo", obj{}, plain())
		at[jobs.Prioritized] = r.add(goq, "echo", obj{}, jobs.Options{Priority: jobs.High})
		at[jobs.Delayed] = r.add(goq, "echo", obj{}, jobs.Options{Delay: time.Hour})
		flow := r.create("FlowProducer", r.options(nil))
		at[jobs.WaitingChildren] = flow.call("add", obj{"name": "echo", "queueName": r.queue, "data": obj{},
			"children": []obj{{"name": "hold", "queueName": "elsewhere", "data": obj{}}}}).text("job", "id")
		for state, id := range at {
			want(r, "state of "+id, r.states(q, id), both(state))
		}
		w.release()
		r.awaitEvent("completed", at[jobs.Prioritized])
		want(r, "completed", r.states(q, at[jobs.Active]), both(jobs.Completed))
		failed := r.add(goq, "fail", obj{}, plain())
		r.awaitEvent("failed", failed)
		want(r, "failed", r.states(q, failed), both(jobs.Failed))
		want(r, "unknown", q.call("getJob", "nobody").any(), nil)
		if _, _, err := r.admin().Get(r.Context(), "nobody"); !errors.Is(err, jobs.ErrNotFound) {
			r.Errorf("get of no job: %v", err)
		}
	})
}

// agree compares the counts of both sides.
func (r *room) agree(q *object) admin.Counts {
	r.Helper()
	counts, err := r.admin().Counts(r.Context())
	must(r, err)
	n := q.call("getJobCounts")
	theirs := admin.Counts{
		Waiting: int64(n.number("waiting") + n.number("prioritized")), Prioritized: int64(n.number("prioritized")),
		Active: int64(n.number("active")), Completed: int64(n.number("completed")), Failed: int64(n.number("failed")),
		Delayed: int64(n.number("delayed")), WaitingChildren: int64(n.number("waiting-children")),
		Paused: q.call("isPaused").any() == true, OldestWaitingMs: counts.OldestWaitingMs,
	}
	if paused, ok := n.at("paused").(float64); ok { // BullMQ 5 tells them apart
		theirs.Waiting += int64(paused)
	}
	if diff := cmp.Diff(theirs, counts); diff != "" {
		r.Fatalf("counts (-Node +Go):\n%s", diff)
	}
	return counts
}

func TestCheck47_BothSidesCountTheSame(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, a := r.nodeQueue(), r.admin()
		for _, opts := range []obj{{}, {}, {"priority": 3}, {"delay": 3_600_000}} {
			q.add("echo", obj{}, opts)
		}
		want(r, "waiting", r.agree(q).Waiting, 3)
		_, err := a.Pause(r.Context())
		must(r, err)
		want(r, "paused", r.agree(q).Paused, true)
		must(r, a.Resume(r.Context()))
		r.goWorker(keeping())
		r.awaitNth("completed", "", 3)
		want(r, "completed", r.agree(q).Completed, 3)
	})
}

func TestCheck48_NodeRetriesWhatGoFailed(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id, ranked := q.add("fail", obj{"times": 1}, nil), q.add("fail", obj{"times": 1}, obj{"priority": 9})
		w := r.goWorker(keeping())
		r.awaitEvent("failed", ranked)
		w.pool.Stop()
		q.job(id, "retry")
		job := r.hash(id)
		for _, field := range []string{"failedReason", "finishedOn", "processedOn"} {
			if _, there := job[field]; there {
				r.Errorf("%s is still there", field)
			}
		}
		want(r, "made", job["atm"], "1")
		want(r, "state", r.states(q, id), both(jobs.Waiting))
		q.job(ranked, "retry")
		if r.major == 6 {
			want(r, "state of the prioritized one", r.states(q, ranked), both(jobs.Prioritized))
		}
		r.sound()
		r.goWorker(keeping())
		r.awaitEvent("completed", id)
		r.awaitEvent("completed", ranked)
	})
}

func TestCheck48_NodeRetriesAllThatGoFailed(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, batch := r.nodeQueue(), []obj{}
		for range 30 {
			batch = append(batch, obj{"name": "fail", "data": obj{"times": 1}})
		}
		q.call("addBulk", batch)
		r.goWorker(worker.Options{Concurrency: 3})
		r.awaitNth("failed", "", 30)
		q.call("retryJobs", obj{"state": "failed"})
		r.awaitNth("completed", "", 30)
		r.sound()
	})
}

func TestCheck49_GoRetriesWhatNodeCompleted(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, a := r.nodeQueue(), r.admin()
		id := q.add("echo", obj{}, nil)
		w := r.nodeWorker(nil)
		r.awaitEvent("completed", id)
		w.close()
		must(r, a.Retry(r.Context(), id, admin.Retry{ResetAttempts: true}))
		job := r.hash(id)
		for _, field := range []string{"returnvalue", "atm", "ats", "finishedOn", "processedOn"} {
			if _, there := job[field]; there {
				r.Errorf("%s is still there", field)
			}
		}
		want(r, "event", r.story(id)[4], "waiting{"+id+" prev=completed}")
		want(r, "state", r.states(q, id), both(jobs.Waiting))
		r.sound()
		r.nodeWorker(nil)
		r.awaitNth("completed", id, 2)
	})
}

func TestCheck49_GoRetriesAllThatNodeFailed(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, batch := r.nodeQueue(), []obj{}
		for range 30 {
			batch = append(batch, obj{"name": "fail", "data": obj{"times": 1}})
		}
		q.call("addBulk", batch)
		r.nodeWorker(nil)
		r.awaitNth("failed", "", 30)
		moved, err := r.admin().RetryMany(r.Context(), jobs.Failed, time.Time{})
		must(r, err)
		want(r, "moved", moved, 30)
		r.awaitNth("completed", "", 30)
		r.sound()
	})
}

func TestCheck50_GoDoesNotRemoveWhatNodeRuns(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		w := r.nodeWorker(nil)
		w.awaitHolding(id)
		before := r.hash(id)
		if err := r.admin().Remove(r.Context(), id, false); !errors.Is(err, jobs.ErrLocked) {
			r.Errorf("remove: %v", err)
		}
		want(r, "job", r.hash(id), before)
		w.release()
		r.awaitEvent("completed", id)
	})
}

func TestCheck50_NodeDoesNotRemoveWhatGoRuns(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		w := r.goWorker(keeping())
		w.awaitHolding(id)
		want(r, "answer", q.call("remove", id).number(), 0)
		w.release()
		r.awaitEvent("completed", id)
		want(r, "afterwards", q.call("remove", id).number(), 1)
		want(r, "job", r.exists(id), false)
	})
}

func TestCheck51_GoRemovesNodesDelayedJob(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("echo", obj{}, obj{"delay": 3_600_000})
		q.job(id, "log", "a line")
		must(r, r.admin().Remove(r.Context(), id, false))
		want(r, "left", []bool{r.exists(id), r.exists(id + ":logs"), r.exists("delayed")}, []bool{false, false, false})
		want(r, "event", r.story(id)[2], "removed{"+id+" prev=delayed}")
		r.sound()
	})
}

func TestCheck52_RemovedFromWait(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("echo", obj{}, nil)
		must(r, r.admin().Remove(r.Context(), id, false))
		want(r, "event", r.story(id)[2], "removed{"+id+" prev=wait}")
		if err := r.admin().Remove(r.Context(), id, false); !errors.Is(err, jobs.ErrNotFound) {
			r.Errorf("remove once more: %v", err)
		}
		want(r, "wait", r.list("wait"), []string{})
	})
}

func TestCheck53_DrainSparesDelayedAndScheduledJobs(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, a := r.nodeQueue(), r.admin()
		q.call("upsertJobScheduler", "later", obj{"every": 3_600_000, "startDate": time.Now().Add(time.Hour).UnixMilli()})
		q.call("upsertJobScheduler", "now", obj{"every": 3_600_000})
		r.eventually("the first run waits", func() bool { return len(r.members("repeat")) == 2 })
		delayed := q.add("echo", obj{}, obj{"delay": 3_600_000})
		for i := range 5 {
			q.add("echo", obj{}, obj{"priority": i})
		}
		before := len(r.stream())
		removed, err := a.Drain(r.Context(), false)
		must(r, err)
		want(r, "drained", removed, 5)
		want(r, "the delayed job", r.exists(delayed), true)
		removed, err = a.Drain(r.Context(), true)
		must(r, err)
		want(r, "drained of delayed ones", removed, 1)
		want(r, "events", len(r.stream()), before)
		for _, s := range r.zset("repeat") {
			id := "repeat:" + strings.Replace(s, "=", ":", 1)
			if state := q.job(id, "getState").text(); state == "unknown" {
				r.Errorf("the pending run %s is in no list", id)
			}
		}
		r.sound()
		want(r, "Node's counts", q.call("getJobCountByTypes", "wait", "delayed", "prioritized", "paused").number(), 2)
	})
}

func TestCheck54_GoCleansWhatNodeCompleted(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, a := r.nodeQueue(), r.admin()
		var ids []string
		for range 3 {
			ids = append(ids, q.add("echo", obj{}, nil))
		}
		r.nodeWorker(nil)
		r.awaitNth("completed", "", 3)
		young, err := a.Clean(r.Context(), jobs.Completed, time.Hour, 0)
		must(r, err)
		want(r, "younger than an hour", len(young), 0)
		removed, err := a.Clean(r.Context(), jobs.Completed, 0, 0)
		must(r, err)
		slices.Sort(removed)
		want(r, "removed", removed, ids)
		want(r, "events", r.story("")[len(r.story(""))-2:], []string{"cleaned{count=0}", "cleaned{count=3}"})
		want(r, "Node's count", q.call("getCompletedCount").number(), 0)
		want(r, "Node's jobs", q.call("getCompleted").any(), any([]any{}))
	})
}

func TestCheck54_NodeCleansWhatGoCompleted(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("echo", obj{}, nil)
		r.goWorker(keeping())
		r.awaitEvent("completed", id)
		want[any](r, "removed", q.call("clean", 0, 100, "completed").any(), []any{id})
		want(r, "job", r.exists(id), false)
		r.sound()
	})
}

func TestCheck55_Obliterate(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, a := r.nodeQueue(), r.admin()
		held := q.add("hold", obj{}, nil)
		for _, opts := range []obj{{}, {"priority": 2}, {"delay": 3_600_000}, {"deduplication": obj{"id": "x"}}} {
			q.add("echo", obj{}, opts)
		}
		q.call("upsertJobScheduler", "s", obj{"every": 3_600_000})
		w := r.nodeWorker(nil)
		w.awaitHolding(held)
		if err := a.Obliterate(r.Context(), true); !errors.Is(err, jobs.ErrNotPaused) {
			r.Errorf("obliterate a running queue: %v", err)
		}
		_, err := a.Pause(r.Context())
		must(r, err)
		if err := a.Obliterate(r.Context(), false); !errors.Is(err, jobs.ErrActiveJobs) {
			r.Errorf("obliterate with active jobs: %v", err)
		}
		must(r, a.Obliterate(r.Context(), true))
		counts := q.call("getJobCounts").any().(obj)
		for state, n := range counts {
			want[any](r, "count of "+state, n, 0.0)
		}
		want(r, "keys", r.redis.Keys(r.Context(), r.key("*")).Val(), []string{})
	})
}

func TestCheck55_NodeObliteratesWhatGoMade(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, goq := r.nodeQueue(), r.goQueue()
		r.add(goq, "echo", obj{}, plain())
		r.add(goq, "fail", obj{}, plain())
		r.goWorker(keeping())
		r.awaitNth("failed", "", 1)
		r.add(goq, "echo", obj{}, jobs.Options{Delay: time.Hour})
		q.call("obliterate", obj{"force": true})
		r.eventually("no keys", func() bool { return len(r.redis.Keys(r.Context(), r.key("*")).Val()) == 0 })
	})
}

func TestCheck56_ChangePriority(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, a := r.nodeQueue(), r.admin()
		id, other := q.add("echo", obj{}, nil), q.add("echo", obj{}, nil)
		before := len(r.stream())
		must(r, a.ChangePriority(r.Context(), id, 5, false))
		want(r, "wait, prioritized", append(r.list("wait"), r.members("prioritized")...), []string{other, id})
		want(r, "field", r.field(id, "priority"), "5")
		want(r, "state", r.states(q, id), both(jobs.Prioritized))
		must(r, a.ChangePriority(r.Context(), id, jobs.Unprioritized, false))
		want(r, "wait", r.list("wait"), []string{id, other})
		want(r, "field", r.field(id, "priority"), "0")
		q.job(other, "changePriority", obj{"priority": 4})
		want(r, "what Node changed", r.states(q, other), both(jobs.Prioritized))
		want(r, "events", len(r.stream()), before)
		r.sound()
	})
}

func TestCheck57_PauseAndResumeAreSeenByBoth(t *testing.T) {
	newest(t, func(r *room) { // trap T1: not with BullMQ 5
		q, a, events := r.nodeQueue(), r.admin(), r.nodeEvents()
		q.add("echo", obj{}, nil)
		changed, err := a.Pause(r.Context())
		must(r, err)
		again, err := a.Pause(r.Context())
		must(r, err)
		want(r, "changed", []bool{changed, again}, []bool{true, false})
		want[any](r, "Node's view", []any{q.call("isPaused").any(), q.call("getMeta").at("paused")}, []any{true, true})
		want(r, "wait", len(r.list("wait")), 1)
		want(r, "marker", r.zset("marker"), []string{})
		must(r, a.Resume(r.Context()))
		want[any](r, "Node's view", []any{q.call("isPaused").any(), q.call("getMeta").at("paused")}, []any{false, false})
		want(r, "marker", r.zset("marker"), []string{"0=0"})
		q.call("pause")
		counts, err := a.Counts(r.Context())
		must(r, err)
		want(r, "Go's view", counts.Paused, true)
		q.call("resume")
		want(r, "events", r.story(""), []string{"paused{}", "resumed{}", "paused{}", "resumed{}"})
		r.nodeWorker(nil)
		events.await("completed", anything)
		r.sound()
	})
}

func TestCheck58_ResumeTakesBackWhatBullMQ5PutAside(t *testing.T) {
	t.Parallel()
	r := newRoom(t, 5)
	q := r.nodeQueue()
	aside := []string{q.add("echo", obj{}, nil), q.add("echo", obj{}, nil)}
	q.call("pause")
	aside = append(aside, q.add("echo", obj{}, nil))
	meanwhile := r.add(r.goQueue(), "echo", obj{}, plain())
	want(r, "set aside", len(r.list("paused")), 3)
	must(r, r.admin().Resume(r.Context()))
	want(r, "paused", r.list("paused"), []string{})
	r.sound()
	r.goWorker(keeping())
	r.awaitNth("completed", "", 4)
	want(r, "order", r.order(), append(aside, meanwhile))
}

func TestCheck59_MetricsReadAsNodes(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		r.goWorker(worker.Options{MetricMinutes: 60})
		first := q.add("echo", obj{}, nil)
		r.awaitEvent("completed", first)
		// A minute passes.
		at := r.redis.Time(r.Context()).Val().Add(-time.Minute).UnixMilli()
		must(r, r.redis.HSet(r.Context(), r.key("metrics:completed"), "prevTS", at).Err())
		second, failed := q.add("echo", obj{}, nil), q.add("fail", obj{}, nil)
		r.awaitEvent("completed", second)
		r.awaitEvent("failed", failed)
		m := q.call("getMetrics", "completed")
		want(r, "count", m.number("meta", "count"), 2)
		want[any](r, "points", m.at("data"), []any{1.0})
		text := q.call("exportPrometheusMetrics").text()
		for name, n := range map[string]int{"completed": 2, "failed": 1} {
			if line := fmt.Sprintf(`bullmq_job_%s_total{queue="%s"} %d`, name, r.queue, n); r.major == 6 && !strings.Contains(text, line) {
				r.Errorf("prometheus lacks %s:\n%s", line, text)
			}
		}
	})
}

func TestCheck60_TheNewestCompletedAreKept(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		r.goWorker(worker.Options{KeepCompleted: &jobs.Retention{Count: 2}})
		var ids []string
		for i := range 5 {
			ids = append(ids, q.add("echo", obj{"n": i}, nil))
			r.awaitEvent("completed", ids[i])
		}
		got := []string{}
		for _, job := range q.call("getCompleted").any().([]any) {
			got = append(got, job.(obj)["id"].(string))
		}
		want(r, "kept", got, []string{ids[4], ids[3]})
		for _, id := range ids[:3] {
			want(r, "job "+id, r.exists(id), false)
		}
		r.sound()
	})
}

func TestCheck61_NodeListsEachGoWorkerOnce(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		r.goWorker(worker.Options{Name: "anna", Concurrency: 5})
		r.goWorker(worker.Options{Name: "bert bär"})
		r.nodeWorker(obj{"name": "carl"})
		r.blocked(3)
		names := []string{}
		for _, client := range q.call("getWorkers").any().([]any) {
			names = append(names, client.(obj)["rawname"].(string))
		}
		slices.Sort(names)
		base := r.keys.ClientName("")
		want(r, "workers", names, []string{base + ":w:anna", base + ":w:bert-b-r", base + ":w:carl"})
	})
}

func TestCheck62_AQueueThatOnlyGoUsesIsFound(t *testing.T) {
	eachMajor(t, func(r *room) {
		r.add(r.goQueue(), "echo", obj{}, plain())
		r.goWorker(worker.Options{MetricMinutes: 10})
		r.awaitNth("completed", "", 1)
		ids, _, err := r.redis.ScanType(r.Context(), 0, r.prefix+":*:id", 100_000, "string").Result()
		must(r, err)
		want(r, "queues by id", ids, []string{r.key("id")})
		metas, _, err := r.redis.Scan(r.Context(), 0, r.prefix+":*:meta", 100_000).Result()
		must(r, err)
		want(r, "queues by meta", metas, []string{r.keys.Meta()})
		want(r, "version", r.field("meta", "version"), "tandem:6.7.0")
		// Not before the scans: it writes meta.
		text := r.nodeQueue().call("exportPrometheusMetrics").text()
		if line := fmt.Sprintf(`bullmq_job_count{queue="%s", state="completed"} 1`, r.queue); !strings.Contains(text, line) {
			r.Errorf("prometheus lacks %s:\n%s", line, text)
		}
	})
}
