package interop_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/worker"
)

const stalledTooOften = "job stalled more than allowable limit"

// quick are the settings of workers whose deaths are noticed soon.
func quick() worker.Options {
	o := keeping()
	o.LockDuration, o.SweepInterval = 500*time.Millisecond, 500*time.Millisecond
	return o
}

func quickNode(more obj) obj {
	o := obj{"lockDuration": 500, "stalledInterval": 500, "drainDelay": 1}
	for name, v := range more {
		o[name] = v
	}
	return o
}

// killed lets a Go process take a job and die with it.
func (r *room) killed(id string) {
	r.Helper()
	c := r.goProcess(childSpec{Name: "victim", Concurrency: 1, Lock: 500 * time.Millisecond, Sweep: 500 * time.Millisecond})
	c.await("holding " + id)
	c.kill()
}

// killedNode does the same with a Node process.
func (r *room) killedNode(id string) {
	r.Helper()
	n := startNode(r.T)
	r.nodeWorkerAt(n, quickNode(nil)).awaitHolding(id)
	n.process.kill()
}

func TestCheck38_NodeTakesBackWhatADeadGoWorkerHad(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		r.killed(id)
		other := q.add("echo", obj{}, nil)
		n := r.nodeWorker(quickNode(nil))
		n.awaitHolding(id)
		want(r, "events", r.story(id)[3:6], []string{
			"waiting{" + id + " prev=active}", "stalled{" + id + "}", "active{" + id + " prev=waiting}",
		})
		want(r, "stalls", r.field(id, "stc"), "1")
		n.release()
		r.awaitEvent("completed", id)
		r.awaitEvent("completed", other)
		r.sound()
	})
}

func TestCheck39_GoFailsAJobThatStalledTooOften(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, obj{"attempts": 3})
		r.killed(id)
		r.killedNode(id) // it took the job back before
		paused := r.admin()
		_, err := paused.Pause(r.Context())
		must(r, err)
		// Its checks mark the job, which nobody runs while the queue is paused.
		checker := r.nodeWorker(quickNode(nil))
		r.awaitNth("stalled", id, 2)
		want(r, "deferred failure", r.field(id, "defa"), stalledTooOften)
		checker.close(true)
		w := r.goWorker(quick())
		must(r, paused.Resume(r.Context()))
		r.awaitEvent("failed", id)
		want(r, "reason", r.field(id, "failedReason"), stalledTooOften)
		want(r, "runs", w.held[id], 0)
		job := r.hash(id)
		want(r, "made, stalled", job["atm"]+" "+job["stc"], "1 2")
		if _, there := job["defa"]; there {
			r.Error("defa is still there")
		}
		r.sound()
	})
}

func TestCheck39_GoMarksWhatStalledTooOftenWhenItIsAskedTo(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, obj{"attempts": 3})
		r.killedNode(id)
		o := quick()
		o.StalledLimit = 1
		first := r.goWorker(o)
		first.awaitHolding(id)
		// Dead to the queue: its lock is gone and it does not get to renew.
		must(r, r.redis.HIncrBy(r.Context(), r.key(id), "ats", 1).Err())
		must(r, r.redis.Del(r.Context(), r.key(id+":lock")).Err())
		r.awaitEvent("failed", id)
		want(r, "reason", r.field(id, "failedReason"), stalledTooOften)
		want(r, "runs", first.held[id], 1)
		want(r, "stalls", r.field(id, "stc"), "2")
	})
}

func TestCheck40_GoTakesBackWhatADeadNodeWorkerHad(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		r.killedNode(id)
		w := r.goWorker(quick())
		w.awaitHolding(id)
		want(r, "events", r.story(id)[3:6], []string{
			"waiting{" + id + " prev=active}", "stalled{" + id + "}", "active{" + id + " prev=waiting}",
		})
		want(r, "stalls", r.field(id, "stc"), "1")
		if ttl := r.redis.PTTL(r.Context(), r.key("stalled-check")).Val(); ttl <= 0 {
			r.Errorf("stalled-check has the time to live %v", ttl)
		}
		w.release()
		r.awaitEvent("completed", id)
		r.sound()
	})
}

func TestCheck40_TwoCheckersGiveAJobBackOnce(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, ids := r.nodeQueue(), []string{}
		for range 4 {
			ids = append(ids, q.add("hold", obj{}, nil))
		}
		// Long enough for a slow machine to renew in time: a second stall would count.
		const lock = 2 * time.Second
		slow := keeping()
		slow.LockDuration, slow.SweepInterval = lock, lock
		c := r.goProcess(childSpec{Name: "victim", Concurrency: 4, Lock: 500 * time.Millisecond, Sweep: 500 * time.Millisecond})
		for _, id := range ids {
			c.await("holding " + id)
		}
		c.kill()
		w := r.goWorker(slow)
		n := r.nodeWorker(quickNode(obj{"concurrency": 2, "lockDuration": lock.Milliseconds()}))
		o := r.goWorker(slow)
		for _, id := range ids {
			r.awaitEvent("stalled", id)
			r.awaitNth("active", id, 2)
		}
		r.eventually("all completed", func() bool {
			w.release()
			o.release()
			n.release()
			return len(r.members("completed")) == 4
		})
		for _, id := range ids {
			want(r, "stalls of "+id, r.field(id, "stc"), "1")
			want(r, "starts of "+id, r.field(id, "ats"), "2")
		}
		r.sound()
	})
}

// A Node worker with its own settings is not disturbed by a pool whose sweeps
// come every half second.
func TestCheck40_ANodeWorkerKeepsItsJobsBesideAGoPool(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		n := r.nodeWorker(obj{"lockDuration": 30_000})
		n.awaitHolding(id)
		r.goWorker(quick())
		q.call("pause")
		r.eventually("a sweep has seen it", func() bool { return r.exists("stalled") })
		sweep := "tandem:" + r.key("sweep")
		at, sweeps := "", 0
		r.eventually("six sweeps", func() bool {
			now := r.redis.HGet(r.Context(), sweep, "at").Val()
			if now != at {
				at, sweeps = now, sweeps+1
			}
			return sweeps == 6
		})
		n.release()
		r.awaitEvent("completed", id)
		want(r, "events", len(r.story(id)), 4)
	})
}

// Within 15 s with the settings of production: a lock holds for 5.
func TestCheck40_AGoWorkerRunsADeadOnesJobsSoon(t *testing.T) {
	newest(t, func(r *room) {
		q, ids := r.nodeQueue(), []string{}
		for range 5 {
			ids = append(ids, q.add("hold", obj{}, nil))
		}
		c := r.goProcess(childSpec{Name: "victim", Concurrency: 5})
		for _, id := range ids {
			c.await("holding " + id)
		}
		started := r.redis.Time(r.Context()).Val().UnixMilli()
		c.kill()
		w := r.goWorker(worker.Options{Concurrency: 5})
		for _, id := range ids {
			if took := r.awaitNth("active", id, 2).at - started; took > 15_000 {
				r.Errorf("job %s waited %d ms for another worker", id, took)
			}
			w.awaitHolding(id)
		}
		w.release()
		r.awaitNth("completed", "", 5)
		for i, id := range ids {
			want(r, "stalls of job "+strconv.Itoa(i), r.field(id, "stc"), "1")
		}
	})
}
