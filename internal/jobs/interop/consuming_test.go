package interop_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// nodeAdd adds a job through Node and returns its id.
func (o *object) add(name string, data any, opts obj) string {
	o.t.Helper()
	if opts == nil {
		opts = obj{}
	}
	return o.call("add", name, data, opts).text("id")
}

func TestCheck19_GoServesInNodesOrder(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		delayed := q.add("echo", obj{}, obj{"delay": 1})
		late, soon := q.add("echo", obj{}, obj{"priority": 5}), q.add("echo", obj{}, obj{"priority": 1})
		first, second := q.add("echo", obj{}, nil), q.add("echo", obj{}, nil)
		last := q.add("echo", obj{}, obj{"lifo": true})
		r.goWorker(keeping())
		r.awaitNth("completed", "", 6)
		want(r, "order", r.order(), []string{last, first, second, delayed, soon, late})
		want(r, "promoted", r.field(delayed, "delay"), "0")
		r.sound()
	})
}

func TestCheck20_GoActivatesAsNodeDoes(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		q.add("hold", obj{}, nil)
		w := r.goWorker(worker.Options{Name: "alice", LockDuration: 20 * time.Second})
		w.awaitHolding(id)
		job := r.hash(id)
		want(r, "started", job["ats"]+" by "+job["pb"]+", made "+job["atm"], "1 by alice, made ")
		active := r.awaitEvent("active", id)
		want(r, "event", active.String(), "active{"+id+" prev=waiting}")
		near(r, "processedOn", job["processedOn"], active.at)
		if token := r.redis.Get(r.Context(), r.key(id+":lock")).Val(); token == "" || token == "0" {
			r.Errorf("lock %q", token)
		}
		if ttl := r.redis.PTTL(r.Context(), r.key(id+":lock")).Val(); ttl <= 10*time.Second || ttl > 20*time.Second {
			r.Errorf("the lock holds for %s", ttl)
		}
		want(r, "active", r.list("active"), []string{id})
		// Work is left, so whoever is idle is told.
		want(r, "marker", r.zset("marker"), []string{"0=0"})
		want(r, "state", q.job(id, "getState").text(), "active")
	})
}

func TestCheck21_CompletesWithResult(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, events := r.nodeQueue(), r.nodeEvents()
		id := q.add("echo", obj{"ok": true, "n": []int{}}, nil)
		finished := make(chan value, 1)
		go func() {
			v, err := q.tryJob(id, "waitUntilFinished", events.ref(), patience.Milliseconds())
			if err != nil {
				r.Errorf("waitUntilFinished: %v", err)
			}
			finished <- v
		}()
		r.goWorker(keeping())
		want[any](r, "what Node waited for", (<-finished).any(), obj{"ok": true, "n": []any{}})

		job, result := r.hash(id), `{"n":[],"ok":true}`
		done := r.awaitEvent("completed", id)
		want(r, "event", done.String(), "completed{"+id+" prev=active returnvalue="+result+"}")
		want(r, "result", job["returnvalue"], result)
		want(r, "attempts", job["atm"]+" of "+job["ats"], "1 of 1")
		near(r, "finishedOn", job["finishedOn"], done.at)
		want(r, "score", r.zset("completed"), []string{id + "=" + job["finishedOn"]})
		want(r, "lock", r.exists(id+":lock"), false)
		want(r, "state", q.job(id, "getState").text(), "completed")
		want[any](r, "Node's result", q.job(id, "").at("returnvalue"), obj{"ok": true, "n": []any{}})
		r.sound()
	})
}

func TestCheck22_CompletesWithoutResult(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("nothing", obj{}, nil)
		r.goWorker(keeping())
		want(r, "event", r.awaitEvent("completed", id).String(), "completed{"+id+" prev=active returnvalue=null}")
		want(r, "stored", r.field(id, "returnvalue"), "null")
		want(r, "Node's", q.job(id, "").at("returnvalue"), nil)
	})
}

func TestCheck23_FailsForGood(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("fail", obj{"reason": `disk "full"`}, nil)
		r.goWorker(keeping())
		r.awaitEvent("retries-exhausted", id)
		want(r, "events", r.story(id)[3:], []string{
			"failed{" + id + ` failedReason=disk "full" prev=active}`, "retries-exhausted{" + id + " attemptsMade=1}",
		})
		job := q.job(id, "")
		want(r, "reason", job.text("failedReason"), `disk "full"`)
		want(r, "traces", len(job.at("stacktrace").([]any)), 1)
		want(r, "attempts", job.number("attemptsMade"), 1)
		want(r, "state", q.job(id, "getState").text(), "failed")
		r.sound()
	})
}

func TestCheck24_BacksOff(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("fail", obj{"times": 1}, obj{"attempts": 3, "backoff": obj{"type": "fixed", "delay": 60_000}})
		r.goWorker(keeping())
		delayed := r.awaitEvent("delayed", id)
		job, due := r.hash(id), delayed.fields["delay"]
		want(r, "event", delayed.String(), "delayed{"+id+" delay="+due+"}")
		near(r, "due", due, delayed.at+60_000)
		want(r, "score", fmt.Sprintf("%.0f", r.score("delayed", id)/4096), due)
		want(r, "job", job["delay"]+" "+job["atm"]+" "+job["failedReason"], "60000 1 boom 0")
		want[any](r, "traces", q.job(id, "").at("stacktrace"), []any{"attempt 1: boom 0"})
		r.eventually("marker of the due job", func() bool { return len(r.zset("marker")) <= 1 })
		q.job(id, "promote")
		r.awaitEvent("completed", id)
		want(r, "attempts", r.field(id, "atm"), "2")
		want(r, "the reason stays", r.field(id, "failedReason"), "boom 0")
		r.sound()
	})
}

func TestCheck24_SnoozesWithoutCountingAnAttempt(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("snooze", obj{"ms": 60_000}, nil)
		w := r.goWorker(keeping())
		r.awaitEvent("delayed", id)
		job := q.job(id, "")
		want(r, "attempts", []float64{job.number("attemptsMade"), job.number("attemptsStarted")}, []float64{0, 1})
		want(r, "state", q.job(id, "getState").text(), "delayed")
		w.pool.Stop()
		r.nodeWorker(nil)
		q.job(id, "promote")
		r.awaitEvent("completed", id)
	})
}

func TestCheck25_RetriesAtOnceBehindTheOthers(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("fail", obj{"times": 1}, obj{"attempts": 2})
		held, other := q.add("hold", obj{}, nil), q.add("echo", obj{}, nil)
		w := r.goWorker(keeping())
		w.awaitHolding(held)
		want(r, "wait", r.list("wait"), []string{id, other})
		want(r, "event", r.story(id)[3], "waiting{"+id+" prev=active}")
		want(r, "attempts", r.field(id, "atm"), "1")
		want(r, "state", q.job(id, "getState").text(), "waiting")
		w.release()
		r.awaitEvent("completed", id)
		want(r, "order", r.order(), []string{id, held, other, id})
	})
}

func TestCheck26_GivesUpOnTheHopeless(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hopeless", obj{}, obj{"attempts": 3})
		r.goWorker(keeping())
		r.awaitEvent("failed", id)
		want(r, "events", r.story(id)[3:], []string{"failed{" + id + " failedReason=hopeless prev=active}"})
		r.sound()
	})
}

func TestCheck27_JittersAsNodeDoes(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, jobsToAdd := r.nodeQueue(), []obj{}
		for range 40 {
			jobsToAdd = append(jobsToAdd, obj{"name": "fail", "data": obj{}, "opts": obj{
				"attempts": 2, "backoff": obj{"type": "fixed", "delay": 100_000, "jitter": 0.5},
			}})
		}
		q.call("addBulk", jobsToAdd)
		r.goWorker(keeping())
		r.awaitNth("delayed", "", 40)
		seen := map[string]bool{}
		for _, id := range r.members("delayed") {
			delay := r.field(id, "delay")
			seen[delay] = true
			if ms, err := strconv.Atoi(delay); err != nil || ms < 50_000 || ms >= 100_000 {
				r.Errorf("delay %q", delay)
			}
		}
		if len(seen) < 20 {
			r.Errorf("40 delays have %d values", len(seen))
		}
	})
}

func TestCheck28_AnIdleGoWorkerLooksByItself(t *testing.T) {
	newest(t, func(r *room) {
		r.goWorker(keeping())
		r.blocked(1)
		r.blocked(1)
		// A job that no marker tells of.
		must(r, r.redis.HSet(r.Context(), r.key("silent"), "name", "echo", "data", "{}", "opts", "{}",
			"timestamp", time.Now().UnixMilli(), "delay", 0, "priority", 0).Err())
		must(r, r.redis.LPush(r.Context(), r.keys.Wait(), "silent").Err())
		r.awaitEvent("completed", "silent")
	})
}

func TestCheck29_ADelayedJobStartsWhenItIsDue(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		r.goWorker(keeping())
		r.blocked(1)
		id := q.add("echo", obj{}, obj{"delay": 1500})
		started := r.awaitEvent("active", id)
		r.punctual(started.at, r.awaitEvent("delayed", id))
	})
}

// punctual allows for slow machines, and not for a worker that had to look by
// itself: it would have come 3.5 s late.
func (r *room) punctual(started int64, delayed told) {
	r.Helper()
	due, err := strconv.ParseInt(delayed.fields["delay"], 10, 64)
	must(r, err)
	if late := started - due; late < 0 || late > 2500 {
		r.Errorf("the job started %d ms after it was due", late)
	}
}

func TestCheck30_GoFollowsANewDueTime(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		promoted, changed := q.add("echo", obj{}, obj{"delay": 3_600_000}), q.add("echo", obj{}, obj{"delay": 3_600_000})
		r.goWorker(keeping())
		r.blocked(1)
		q.job(promoted, "promote")
		r.awaitEvent("completed", promoted)
		r.blocked(1)
		q.job(changed, "changeDelay", 1000)
		r.punctual(r.awaitEvent("active", changed).at, r.awaitNth("delayed", changed, 2))
	})
}

func TestCheck35_AHandedBackJobIsNextAndPaysNothing(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		ids := []string{q.add("hold", obj{}, nil), q.add("hold", obj{}, obj{"priority": 7})}
		w := r.goWorker(worker.Options{Concurrency: 2})
		w.awaitHolding(ids[0])
		w.awaitHolding(ids[1])
		behind := []string{q.add("echo", obj{}, nil), q.add("echo", obj{}, obj{"priority": 7})}
		if err := w.pool.WaitForCompletion(0); err == nil {
			r.Error("stopping with jobs running at the deadline gave no error")
		}
		want(r, "wait", r.list("wait"), []string{behind[0], ids[0]})
		want(r, "front of its priority", r.score("prioritized", ids[1]), 7*(1<<32))
		for _, id := range ids {
			job := q.job(id, "")
			want(r, "attempts", []float64{job.number("attemptsMade"), job.number("attemptsStarted")}, []float64{0, 1})
			want(r, "event", r.story(id)[3], "waiting{"+id+" prev=active}")
		}
		r.sound()
		n := r.nodeWorker(nil)
		for _, id := range ids {
			n.awaitHolding(id)
			n.release()
		}
		r.awaitNth("completed", "", 4)
		want(r, "order", r.order()[2:], []string{ids[0], behind[0], ids[1], behind[1]})
	})
}

func TestCheck36_NodeReadsProgressAndLogs(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, events := r.nodeQueue(), r.nodeEvents()
		id := q.add("progress", obj{}, obj{"keepLogs": 3})
		r.goWorker(keeping())
		events.await("progress", func(args []json.RawMessage) bool {
			return strings.Contains(string(args[0]), `"data":{"pct":50}`)
		})
		events.await("completed", func([]json.RawMessage) bool { return true })
		want[any](r, "progress", q.job(id, "").at("progress"), obj{"pct": 50.0})
		want[any](r, "logs", q.call("getJobLogs", id).any(), obj{"count": 3.0, "logs": []any{"two", "three", "four"}})
		want(r, "events", r.story(id)[3:5], []string{"progress{" + id + " data=42}", "progress{" + id + ` data={"pct":50}}`})
	})
}

func TestCheck37_GoRenewsItsLocks(t *testing.T) {
	eachMajor(t, func(r *room) {
		id := r.nodeQueue().add("hold", obj{}, nil)
		w := r.goWorker(worker.Options{LockDuration: 900 * time.Millisecond})
		w.awaitHolding(id)
		lock := r.key(id + ":lock")
		token, left, renewals := r.redis.Get(r.Context(), lock).Val(), time.Duration(0), 0
		r.eventually("four renewals", func() bool {
			ttl := r.redis.PTTL(r.Context(), lock).Val()
			if ttl > left {
				renewals++
				must(r, r.redis.SAdd(r.Context(), r.key("stalled"), id).Err())
			}
			left = ttl
			return renewals == 5
		})
		want(r, "token", r.redis.Get(r.Context(), lock).Val(), token)
		r.eventually("the job is no suspect", func() bool {
			return !r.redis.SIsMember(r.Context(), r.key("stalled"), id).Val()
		})
		want(r, "stalls", len(r.story(id)), 3)
	})
}

// losing starts a worker and returns how to await an attempt that it loses.
func (r *room) losing(o worker.Options) (*goWorker, func() worker.Attempt) {
	r.Helper()
	lost := make(chan worker.Attempt, 10)
	o.OnAttempt = func(a worker.Attempt) {
		if a.Status == worker.StatusLost {
			lost <- a
		}
	}
	return r.goWorker(o), func() worker.Attempt {
		r.Helper()
		select {
		case a := <-lost:
			return a
		case <-time.After(patience):
			r.Fatal("no attempt was lost")
			return worker.Attempt{}
		}
	}
}

func TestCheck41_ALockThatAnotherTookIsRespected(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		w, lost := r.losing(worker.Options{LockDuration: 30 * time.Second})
		w.awaitHolding(id)
		before := r.hash(id)
		must(r, r.redis.Set(r.Context(), r.key(id+":lock"), "foreign", time.Minute).Err())
		w.release()
		if a := lost(); !strings.Contains(a.Error.Error(), jobs.ErrLockLost.Error()) {
			r.Errorf("the attempt ended with %v", a.Error)
		}
		want(r, "job", r.hash(id), before)
		want(r, "active", r.list("active"), []string{id})
		want(r, "lock", r.redis.Get(r.Context(), r.key(id+":lock")).Val(), "foreign")
	})
}

func TestCheck41_AHandlerLearnsThatItsLockIsGone(t *testing.T) {
	eachMajor(t, func(r *room) {
		id := r.nodeQueue().add("hold", obj{}, nil)
		w, lost := r.losing(worker.Options{LockDuration: 300 * time.Millisecond})
		w.awaitHolding(id)
		must(r, r.redis.Set(r.Context(), r.key(id+":lock"), "foreign", time.Minute).Err())
		lost() // nobody released it: its context ended
		want(r, "active", r.list("active"), []string{id})
	})
}

// Node refuses an outcome whose lock ran out. Go takes it while nobody else has
// the job, which saves it from running twice.
func TestCheck42_AnExpiredLockEndsNothingWhileNobodyHasTheJob(t *testing.T) {
	eachMajor(t, func(r *room) {
		id := r.nodeQueue().add("hold", obj{}, nil)
		w := r.goWorker(worker.Options{LockDuration: 30 * time.Second})
		w.awaitHolding(id)
		must(r, r.redis.Del(r.Context(), r.key(id+":lock")).Err())
		w.release()
		r.awaitEvent("completed", id)
		want(r, "made and started", r.field(id, "atm")+r.field(id, "ats"), "11")
		r.sound()
	})
}

func TestCheck42_AnOutcomeIsRefusedOnceTheJobWasGivenBack(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("hold", obj{}, nil)
		w, lost := r.losing(worker.Options{LockDuration: 30 * time.Second, SweepInterval: 200 * time.Millisecond})
		w.awaitHolding(id)
		must(r, r.redis.Del(r.Context(), r.key(id+":lock")).Err())
		r.awaitEvent("stalled", id)
		w.release()
		lost()
		want(r, "made", r.field(id, "atm"), "")
		r.awaitNth("active", id, 2)
		r.eventually("completed", func() bool {
			w.release()
			return q.job(id, "getState").text() == "completed"
		})
		want(r, "stalls", r.field(id, "stc"), "1")
		want(r, "made and started", r.field(id, "atm")+r.field(id, "ats"), "12")
		r.sound()
	})
}

func TestCheck43_AStoppedWorkerStartsNothing(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id, other := q.add("hold", obj{}, nil), q.add("echo", obj{}, nil)
		w := r.goWorker(keeping())
		w.awaitHolding(id)
		w.pool.Stop()
		w.release()
		must(r, w.pool.WaitForCompletion(patience))
		want(r, "started", r.order(), []string{id})
		want(r, "states", q.job(id, "getState").text()+" "+q.job(other, "getState").text(), "completed waiting")
		want(r, "active", r.list("active"), []string{})
		r.sound()
	})
}

func TestCheck44_DrainedIsToldOnce(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		q.add("echo", obj{}, nil)
		w := r.goWorker(keeping())
		r.awaitNth("completed", "", 1)
		want(r, "events of the queue", r.story(""), []string{"drained{}"})
		q.add("echo", obj{}, obj{"delay": 3_600_000})
		last := q.add("echo", obj{}, nil)
		r.awaitEvent("completed", last)
		w.pool.Stop()
		must(r, w.pool.WaitForCompletion(patience))
		want(r, "with a delayed job", r.story(""), []string{"drained{}"})
	})
}

func TestCheck45_AGhostGoesAway(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("echo", obj{}, nil)
		must(r, r.redis.RPush(r.Context(), r.keys.Wait(), "ghost").Err())
		must(r, r.redis.ZAdd(r.Context(), r.keys.Prioritized(), zmember("ghost too", 1<<32)).Err())
		r.goWorker(keeping())
		r.awaitEvent("completed", id)
		r.eventually("prioritized is empty", func() bool { return !r.exists("prioritized") })
		want(r, "active", r.list("active"), []string{})
		want(r, "ghosts", r.exists("ghost") || r.exists("ghost too") || r.exists("ghost:lock"), false)
		r.sound()
	})
}

func TestCheck46_ACorruptJobFailsWithAReason(t *testing.T) {
	for field, text := range map[string]string{
		"data": "{broken", "opts": "{broken", "progress": "half", "ats": "many", "delay": "soon",
	} {
		t.Run(field, func(t *testing.T) {
			eachMajor(t, func(r *room) {
				q := r.nodeQueue()
				id := q.add("echo", obj{}, obj{"attempts": 3})
				must(r, r.redis.HSet(r.Context(), r.key(id), field, text).Err())
				r.goWorker(keeping())
				r.awaitEvent("failed", id)
				if reason := r.field(id, "failedReason"); !strings.Contains(reason, "corrupt") || !strings.Contains(reason, field) {
					r.Errorf("reason %q", reason)
				}
				want(r, "failed", r.members("failed"), []string{id})
				want(r, "active", r.list("active"), []string{})
				want(r, "lock", r.exists(id+":lock"), false)
			})
		})
	}
}
