package interop_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

func dedup(id string, more obj) obj {
	d := obj{"id": id}
	for name, v := range more {
		d[name] = v
	}
	return obj{"deduplication": d}
}

func TestCheck78_TheKeyGoesWhenGoEndsItsOwner(t *testing.T) {
	for _, name := range []string{"hold", "fail"} {
		t.Run(name, func(t *testing.T) {
			eachMajor(t, func(r *room) {
				q := r.nodeQueue()
				id := q.add(name, obj{}, dedup("x", nil))
				want(r, "a second add", q.add(name, obj{}, dedup("x", nil)), id)
				want(r, "event", r.awaitEvent("deduplicated", id).String(),
					"deduplicated{"+id+" deduplicatedJobId=2 deduplicationId=x}")
				w := r.goWorker(keeping())
				if name == "hold" {
					w.awaitHolding(id)
					want(r, "owner", r.redis.Get(r.Context(), r.key("de:x")).Val(), id)
					w.release()
				}
				r.await("the end of "+id, func(e told) bool { return e.event == "completed" || e.event == "failed" })
				want(r, "key", r.exists("de:x"), false)
				if next := q.add("echo", obj{}, dedup("x", nil)); next == id {
					r.Error("the next add was deduplicated too")
				}
				r.sound()
			})
		})
	}
}

func TestCheck79_AThrottleOutlivesItsJob(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("echo", obj{}, dedup("x", obj{"ttl": 3_600_000}))
		r.goWorker(keeping())
		r.awaitEvent("completed", id)
		if ttl := r.redis.PTTL(r.Context(), r.key("de:x")).Val(); ttl <= 0 || ttl > time.Hour {
			r.Errorf("the window is open for another %v", ttl)
		}
		want(r, "a second add", q.add("echo", obj{}, dedup("x", obj{"ttl": 3_600_000})), id)
		must(r, r.admin().Remove(r.Context(), id, false))
		want(r, "key", r.exists("de:x"), false)
	})
}

func TestCheck80_GoRunsTheLastOfADebounce(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, ids := r.nodeQueue(), []string{}
		o := dedup("x", obj{"ttl": 700, "extend": true, "replace": true})
		o["delay"] = 700
		r.goWorker(keeping())
		for i := range 3 {
			ids = append(ids, q.add("echo", obj{"n": i}, o))
		}
		r.awaitEvent("completed", ids[2])
		want(r, "runs", r.order(), ids[2:])
		want(r, "replaced", []bool{r.exists(ids[0]), r.exists(ids[1])}, []bool{false, false})
		r.sound()
	})
}

func TestCheck81_GoAddsWhatWasKeptForAfterwards(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, o := r.nodeQueue(), dedup("x", obj{"keepLastIfActive": true})
		id := q.add("hold", obj{"n": 0}, o)
		w := r.goWorker(keeping())
		w.awaitHolding(id)
		for n := range 3 {
			want(r, "an add meanwhile", q.add("echo", obj{"n": n + 1}, o), id)
		}
		want(r, "kept", r.field("dn:x", "data"), `{"n":3}`)
		w.release()
		next := r.await("the job that was kept", func(e told) bool { return e.event == "added" && e.id != id }).id
		r.awaitEvent("completed", next)
		var after []string
		for _, e := range r.stream() {
			if e.id == next || e.id == id && e.event == "completed" {
				after = append(after, e.event)
			}
		}
		want(r, "events", after, []string{"added", "waiting", "completed", "active", "completed"})
		want(r, "data", r.field(next, "data"), `{"n":3}`)
		want(r, "keys", []bool{r.exists("dn:x"), r.exists("de:x")}, []bool{false, false})
		want(r, "jobs", len(r.members("completed")), 2)
		r.sound()
	})
}

func TestCheck82_TheNextAddRecoversFromAnOwnerThatGoRemoved(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("echo", obj{}, dedup("x", nil))
		must(r, r.admin().Remove(r.Context(), id, false))
		want(r, "key", r.exists("de:x"), false)
		next := q.add("echo", obj{}, dedup("x", nil))
		want(r, "state", r.states(q, next), both(jobs.Waiting))
		r.sound()
	})
}
